{%- set weightings = ['first', 'last', 'last_non_direct', 'linear', 'position', 'time_decay'] -%}
with

touches as (

    select * from {{ ref('int_touches_credited') }}

),

attribution_models as (

    select * from {{ ref('attribution_models') }}

)

select
    touches.conversion_id,
    touches.conversion_name,
    touches.person_id,
    touches.source_name,
    touches.converted_at,
    touches.conversion_date,
    touches.session_id,
    touches.channel,
    touches.traffic_source,
    touches.traffic_medium,
    touches.traffic_campaign,
    touches.touched_at,
    touches.touch_position,
    touches.touch_count,
    attribution_models.model,
    case attribution_models.weighting
        {%- for weighting in weightings %}
        when '{{ weighting }}' then touches.{{ weighting }}_credit
        {%- endfor %}
    end as credit,
    case attribution_models.weighting
        {%- for weighting in weightings %}
        when '{{ weighting }}' then touches.{{ weighting }}_value
        {%- endfor %}
    end as credited_value
from touches
cross join attribution_models
