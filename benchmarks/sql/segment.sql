-- Calls of the Segment protocol, as its storage destinations write them.
select
    case when event_name = 'page_view' then 'page' when event_name = 'login' then 'identify'
        else 'track' end as type,
    'ajs-' || md5('m' || event_number) as "messageId",
    uuid_of('device', device) as "anonymousId",
    user_id as "userId",
    case event_name
        when 'page_view' then null
        when 'login' then null
        when 'view_item' then 'Product Viewed'
        when 'add_to_cart' then 'Product Added'
        when 'begin_checkout' then 'Checkout Started'
        when 'purchase' then 'Order Completed'
        when 'view_item_list' then 'Product List Viewed'
        when 'search' then 'Products Searched'
        else event_name
    end as event,
    case when event_name = 'page_view' then page_title end as name,
    case
        when event_name = 'page_view' then to_json({
            path: page_path,
            url: page_origin || page_path || coalesce('?' || page_query, ''),
            referrer: referrer_url,
            title: page_title
        })
        when event_name = 'purchase' then to_json({
            order_id: order_id, total: revenue::double, revenue: revenue::double, currency: 'USD',
            products: [{
                product_id: item_id, name: item_name, category: item_category,
                price: price::double, quantity: quantity
            }]
        })
        when item_id is not null then to_json({
            product_id: item_id, name: item_name, category: item_category, price: price::double,
            quantity: quantity, currency: 'USD'
        })
        else to_json({path: page_path})
    end as properties,
    case when event_name = 'login' then to_json({plan: 'free'}) end as traits,
    {
        ip: address,
        locale: language,
        timezone: time_zone,
        "userAgent": user_agent,
        library: {name: 'analytics.js', version: '2.11.1'},
        page: {
            path: page_path,
            url: page_origin || page_path || coalesce('?' || page_query, ''),
            referrer: referrer_url,
            title: page_title
        },
        campaign: case when utm_source is not null
            then {source: utm_source, medium: utm_medium, name: utm_campaign} end
    } as context,
    strftime(occurred_at, '%Y-%m-%dT%H:%M:%S.%gZ') as "originalTimestamp",
    strftime(occurred_at, '%Y-%m-%dT%H:%M:%S.%gZ') as timestamp,
    strftime(occurred_at + to_milliseconds(40), '%Y-%m-%dT%H:%M:%S.%gZ') as "sentAt",
    strftime(arrived_at, '%Y-%m-%dT%H:%M:%S.%gZ') as "receivedAt"
from records
