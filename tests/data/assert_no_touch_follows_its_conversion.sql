-- No touch begins after its conversion, nor before the look-back.
{{ config(meta={'dagster': {'ref': {'name': 'attribution_touches'}}}) }}
select
    conversion_id,
    session_id,
    touched_at,
    converted_at
from {{ ref('int_touches_found') }}
where
    {{ micros_between('touched_at', 'converted_at') }} < 0
    or {{ micros_between('touched_at', 'converted_at') }}
    > cast({{ var('attribution_lookback_days') }} as bigint) * 86400000000
