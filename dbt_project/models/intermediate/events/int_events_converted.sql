with

currency_rates as (

    select
        currency,
        rate_date,
        usd_per_unit,
        lead(rate_date) over (partition by currency order by rate_date) as next_rate_date
    from {{ ref('currency_rates') }}

),

selected as (

    select * from {{ ref('int_conversion_events_selected') }}

),

counted_once as (

    select
        *,
        row_number() over (
            partition by
                conversion_name,
                source_name,
                case
                    when once_per = 'order' and order_id is not null then 'order ' || order_id
                    when
                        once_per = 'session' and session_id is not null
                        then 'session ' || session_id
                    else 'event ' || event_id
                end
            -- a server may report the order that a browser reports too: the visitor's is kept
            order by
                is_bot,
                case when session_id is null then 1 else 0 end,
                case when device_id = {{ device_of_user('user_id') }} then 1 else 0 end,
                occurred_at,
                event_order nulls last,
                event_id
        ) as occurrence
    from selected

),

valued as (

    select
        *,
        case
            when value_rule = 'revenue' then revenue
            when value_rule = 'none' then null
            else cast(value_rule as decimal(18, 4))
        end as value,
        case
            when value_rule = 'revenue' then currency
            when value_rule = 'none' then null
            else '{{ var("reporting_currency") }}'
        end as value_currency
    from counted_once
    where occurrence = 1

)

select
    valued.conversion_name,
    valued.event_id,
    valued.source_name,
    valued.device_id,
    valued.session_id,
    valued.session_event_number,
    valued.occurred_at as converted_at,
    valued.event_date as conversion_date,
    valued.order_id,
    valued.is_bot,
    valued.value_rule = 'revenue' as is_revenue,
    valued.value,
    valued.value_currency as currency,
    -- null where a rate is missing: never a silent 1:1
    case
        when valued.value_currency = '{{ var("reporting_currency") }}' then valued.value
        else
            -- null, too, where it is more than can be: one such value stops no build
            try_cast(
                cast(valued.value as decimal(28, 4))
                * cast(value_rates.usd_per_unit as decimal(10, 6))
                / reporting_rates.usd_per_unit
                as decimal(18, 4)
            )
    end as value_reporting
from valued
left join currency_rates as value_rates
    on
        valued.value_currency = value_rates.currency
        and valued.event_date >= value_rates.rate_date
        and (
            value_rates.next_rate_date is null
            or valued.event_date < value_rates.next_rate_date
        )
        -- a rate that is too old is none; the dollar, in which all are given, is always one
        and (
            value_rates.currency = 'USD'
            or valued.event_date - value_rates.rate_date
            <= {{ var('currency_rate_max_age_days') }}
        )
left join currency_rates as reporting_rates
    on
        reporting_rates.currency = '{{ var("reporting_currency") }}'
        and valued.event_date >= reporting_rates.rate_date
        and (
            reporting_rates.next_rate_date is null
            or valued.event_date < reporting_rates.next_rate_date
        )
        -- a rate that is too old is none; the dollar, in which all are given, is always one
        and (
            reporting_rates.currency = 'USD'
            or valued.event_date - reporting_rates.rate_date
            <= {{ var('currency_rate_max_age_days') }}
        )
