select
    conversion_id,
    conversion_name,
    person_id,
    source_name,
    converted_at,
    conversion_date,
    session_id,
    channel,
    traffic_source as source,
    traffic_medium as medium,
    traffic_campaign as campaign,
    touched_at,
    touch_position,
    touch_count,
    model,
    credit,
    credited_value
from {{ ref('int_credits_assigned_by_rules') }}
