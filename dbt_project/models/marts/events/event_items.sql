select
    event_id,
    item_position,
    item_id,
    item_name,
    item_category,
    item_brand,
    price,
    quantity,
    revenue
from {{ ref('int_event_items_accepted') }}
