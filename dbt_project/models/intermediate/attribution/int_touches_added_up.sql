{%- set weightings = ['first', 'last', 'last_non_direct', 'linear', 'position', 'time_decay'] -%}
-- a conversion is of one source and one day: over these the sums can be added further
select
    source_name,
    conversion_name,
    conversion_date,
    channel,
    coalesce(traffic_campaign, '(none)') as campaign,
    {%- for weighting in weightings %}
    cast(sum({{ weighting }}_credit) as decimal(28, 9)) as {{ weighting }}_credit,
    cast(sum({{ weighting }}_value) as decimal(28, 4)) as {{ weighting }}_value,
    {%- endfor %}
    count(distinct case when touch_position < touch_count then conversion_id end)
        as assisted_conversions
from {{ ref('int_touches_credited') }}
where {{ is_restated_day('conversion_day', 'conversion_date') }}
group by 1, 2, 3, 4, 5
