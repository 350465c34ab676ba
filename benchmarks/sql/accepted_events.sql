-- Each event once, as it stands when all is accepted, in the order of arrival.
select
    uuid_of('event', deliveries.event_number) as event_id,
    'shop' as source_name,
    uuid_of('device', deliveries.device) as device_id,
    'u' || deliveries.user_number as user_id,
    -- whose device it is, whether they log in or not
    uuid_of('person', coalesce(-1 - devices.first_user, devices.device)) as person_id,
    deliveries.occurred_at,
    deliveries.event_name,
    deliveries.page_path
from deliveries
inner join devices on deliveries.device = devices.device
where deliveries.delivery = 1
order by deliveries.arrived_at, deliveries.event_number
