-- What every export says in its own words: one row per delivery, in the order of arrival.
create macro digits(label, key, count) as
    hash(key, label, getvariable('seed')) % pow(10, count)::ubigint;

create macro uuid_of(label, key) as cast(md5(format(
    '{}:{}:{}', label, key, getvariable('seed')
)) as uuid)::varchar;

create macro records_of(wanted_day) as table
select
    deliveries.event_number,
    deliveries.delivery,
    deliveries.arrived_at,
    deliveries.occurred_at,
    deliveries.session_number,
    deliveries.session_started_at,
    deliveries.position,
    deliveries.device,
    digits('client', deliveries.device, 10)::varchar
    || '.' || epoch(getvariable('first_day'))::bigint as client_id,
    'u' || deliveries.user_number as user_id,
    deliveries.event_name,
    'https://shop.example' as page_origin,
    deliveries.page_path,
    case
        when deliveries.channel is null then
            case when deliveries.page_path = '/search' then 'q=gift+ideas' end
        else nullif(concat_ws(
            '&',
            'utm_source=' || channels.utm_source,
            'utm_medium=' || channels.utm_medium,
            'utm_campaign=' || channels.campaign_prefix || '_' || deliveries.campaign_number,
            channels.click_id_type || '=' || md5('c' || deliveries.session_number)
        ), '')
    end as page_query,
    case
        when deliveries.page_path like '/product/%' then 'Product ' || deliveries.page_path[11:]
        when deliveries.page_path = '/' then 'The shop'
        else deliveries.page_path[2:]
    end as page_title,
    case when deliveries.position = 0 then channels.referrer_url
        else 'https://shop.example/' end as referrer_url,
    channels.utm_source,
    channels.utm_medium,
    channels.campaign_prefix || '_' || deliveries.campaign_number as utm_campaign,
    channels.click_id_type,
    case when channels.click_id_type is not null
        then md5('c' || deliveries.session_number)
    end as click_id,
    agents.device_category,
    agents.browser,
    agents.operating_system,
    case when devices.is_scraper then 'python-requests/2.32.3' else agents.user_agent end
    as user_agent,
    places.country_code,
    places.country,
    places.region,
    places.city,
    places.language,
    places.time_zone,
    format(
        '10.{}.{}.{}',
        deliveries.device // 65536 % 256, deliveries.device // 256 % 256, deliveries.device % 256
    ) as address,
    products.item_id,
    products.item_name,
    products.item_category,
    products.item_brand,
    products.price,
    deliveries.quantity,
    case when deliveries.event_name = 'purchase' then 'T' || deliveries.event_number end
    as order_id,
    case when deliveries.event_name = 'purchase' then products.price * deliveries.quantity end
    as revenue,
    draw('consent', deliveries.device) >= 0.03 as is_consenting
from deliveries
inner join devices on deliveries.device = devices.device
inner join agents on devices.agent = agents.rowid
inner join places on devices.place = places.rowid
left join channels on deliveries.channel = channels.rowid
left join products on deliveries.product = products.product
where deliveries.arrival_day = wanted_day
order by deliveries.arrived_at, deliveries.event_number, deliveries.delivery;
