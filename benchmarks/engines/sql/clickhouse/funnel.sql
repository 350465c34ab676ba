select
    person_id,
    windowFunnel(336 * 3600 * 1000000)(
        toUInt64(toUnixTimestamp64Micro(occurred_at)),
        event_name = 'view_item',
        event_name = 'add_to_cart',
        event_name = 'begin_checkout',
        event_name = 'purchase'
    ) as furthest_step
from events
where event_name in ('view_item', 'add_to_cart', 'begin_checkout', 'purchase')
group by person_id
having furthest_step > 0
