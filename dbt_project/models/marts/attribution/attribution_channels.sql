{%- set weightings = ['first', 'last', 'last_non_direct', 'linear', 'position', 'time_decay'] -%}
with

added_up as (

    select * from {{ ref('int_touches_added_up') }}

),

source_horizons as (

    select * from {{ ref('int_source_horizons') }}

),

attribution_models as (

    select * from {{ ref('attribution_models') }}

),

with_completeness as (

    select
        added_up.*,
        added_up.conversion_date
        < {{ local_date('source_horizons.data_through_at', var('reporting_timezone')) }}
            as is_complete_period
    from added_up
    inner join source_horizons on added_up.source_name = source_horizons.source_name

)

select
    attribution_models.model,
    with_completeness.conversion_name,
    with_completeness.conversion_date,
    with_completeness.channel,
    with_completeness.campaign,
    cast(
        sum(case attribution_models.weighting
            {%- for weighting in weightings %}
            when '{{ weighting }}' then with_completeness.{{ weighting }}_credit
            {%- endfor %}
        end) as decimal(18, 9)
    ) as conversions,
    cast(
        sum(case attribution_models.weighting
            {%- for weighting in weightings %}
            when '{{ weighting }}' then with_completeness.{{ weighting }}_value
            {%- endfor %}
        end) as decimal(28, 4)
    ) as value,
    cast(sum(with_completeness.assisted_conversions) as bigint) as assisted_conversions,
    min(case when with_completeness.is_complete_period then 1 else 0 end) = 1
        as is_complete_period
from with_completeness
cross join attribution_models
group by 1, 2, 3, 4, 5
