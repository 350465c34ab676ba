select
    conversion_id,
    conversion_name,
    event_id,
    source_name,
    session_id,
    person_id,
    converted_at,
    conversion_date,
    order_id,
    value,
    currency,
    value_reporting,
    is_bot
from {{ ref('int_conversions_identified') }}
