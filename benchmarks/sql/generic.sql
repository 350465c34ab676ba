-- An export of one's own making.
select
    uuid_of('event', event_number) as id,
    event_name as event,
    strftime(occurred_at, '%Y-%m-%dT%H:%M:%S.%fZ') as occurred_at,
    strftime(arrived_at, '%Y-%m-%dT%H:%M:%S.%fZ') as received_at,
    uuid_of('device', device) as visitor,
    user_id,
    page_origin || page_path || coalesce('?' || page_query, '') as url,
    page_title as title,
    referrer_url as referrer,
    user_agent,
    device_category as device,
    country_code as country,
    order_id,
    revenue,
    case when revenue is not null then 'USD' end as currency,
    item_id
from records
