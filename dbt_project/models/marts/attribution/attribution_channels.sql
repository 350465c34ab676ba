{%- set weightings = ['first', 'last', 'last_non_direct', 'linear', 'position', 'time_decay'] -%}
-- Touches are added up once for all weightings, and only the sums spread over the models.
with

touches as (

    select * from {{ ref('int_touches_credited') }}

),

source_horizons as (

    select * from {{ ref('int_source_horizons') }}

),

attribution_models as (

    select * from {{ ref('attribution_models') }}

),

added_up as (

    select
        touches.conversion_name,
        touches.conversion_date,
        touches.channel,
        coalesce(touches.traffic_campaign, '(none)') as campaign,
        {%- for weighting in weightings %}
        sum(touches.{{ weighting }}_credit) as {{ weighting }}_credit,
        sum(touches.{{ weighting }}_value) as {{ weighting }}_value,
        {%- endfor %}
        count(
            distinct case
                when touches.touch_position < touches.touch_count then touches.conversion_id
            end
        ) as assisted_conversions,
        min(
            case
                when
                    touches.conversion_date
                    < {{ local_date('source_horizons.data_through_at', var('reporting_timezone')) }}
                    then 1
                else 0
            end
        ) = 1 as is_complete_period
    from touches
    inner join source_horizons on touches.source_name = source_horizons.source_name
    group by 1, 2, 3, 4

)

select
    attribution_models.model,
    added_up.conversion_name,
    added_up.conversion_date,
    added_up.channel,
    added_up.campaign,
    cast(
        case attribution_models.weighting
            {%- for weighting in weightings %}
            when '{{ weighting }}' then added_up.{{ weighting }}_credit
            {%- endfor %}
        end as decimal(18, 9)
    ) as conversions,
    cast(
        case attribution_models.weighting
            {%- for weighting in weightings %}
            when '{{ weighting }}' then added_up.{{ weighting }}_value
            {%- endfor %}
        end as decimal(28, 4)
    ) as value,
    added_up.assisted_conversions,
    added_up.is_complete_period
from added_up
cross join attribution_models
