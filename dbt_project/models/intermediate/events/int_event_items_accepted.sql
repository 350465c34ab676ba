with

items as (

    select * from {{ ref('int_event_items_unioned') }}
    where {{ in_files_of_restated('event', ref('int_events_accepted'), 'file_id') }}

),

accepted_events as (

    select
        event_id,
        file_id,
        row_number
    from {{ ref('int_events_accepted') }}
    where {{ is_restated_event('event') }}

)

select
    accepted_events.event_id,
    items.item_position,
    items.item_id,
    items.item_name,
    items.item_category,
    items.item_brand,
    items.price,
    items.quantity,
    items.revenue
from items
inner join accepted_events
    on
        items.file_id = accepted_events.file_id
        and items.row_number = accepted_events.row_number
