-- Snowplow's enriched event. Fields that are not named here are empty.
select
    'shop' as app_id,
    'web' as platform,
    strftime(arrived_at + to_milliseconds(1200), '%Y-%m-%d %H:%M:%S.%g') as etl_tstamp,
    strftime(arrived_at, '%Y-%m-%d %H:%M:%S.%g') as collector_tstamp,
    strftime(occurred_at, '%Y-%m-%d %H:%M:%S.%g') as dvce_created_tstamp,
    case
        when event_name = 'page_view' then 'page_view'
        when event_name in ('scroll', 'user_engagement') then 'page_ping'
        else 'unstruct'
    end as event,
    uuid_of('event', event_number) as event_id,
    'sp' as name_tracker,
    'js-3.24.0' as v_tracker,
    'ssc-3.2.0-kinesis' as v_collector,
    'snowplow-enrich-kinesis-5.1.0-common-5.1.0' as v_etl,
    user_id,
    address as user_ipaddress,
    uuid_of('device', device) as domain_userid,
    (1 + session_number % 9)::varchar as domain_sessionidx,
    uuid_of('network', device) as network_userid,
    country_code as geo_country,
    city as geo_city,
    region as geo_region_name,
    page_origin || page_path || coalesce('?' || page_query, '') as page_url,
    page_title,
    referrer_url as page_referrer,
    'https' as page_urlscheme,
    'shop.example' as page_urlhost,
    '443' as page_urlport,
    page_path as page_urlpath,
    page_query as page_urlquery,
    utm_medium as mkt_medium,
    utm_source as mkt_source,
    utm_campaign as mkt_campaign,
    to_json({
        schema: 'iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-1',
        data: list_concat(
            [{
                schema: 'iglu:com.snowplowanalytics.snowplow/web_page/jsonschema/1-0-0',
                data: to_json({
                    id: uuid_of('page', session_number * 1048576 + position // 3)
                })
            }],
            case when item_id is null then [] else [{
                schema: 'iglu:com.snowplowanalytics.snowplow.ecommerce/product/jsonschema/1-0-0',
                data: to_json({
                    id: item_id, name: item_name, category: item_category, brand: item_brand,
                    price: price::double, quantity: quantity, currency: 'USD'
                })
            }] end,
            case when order_id is null then [] else [{
                schema:
                    'iglu:com.snowplowanalytics.snowplow.ecommerce/transaction/jsonschema/1-0-0',
                data: to_json({
                    transaction_id: order_id, revenue: revenue::double, currency: 'USD'
                })
            }] end
        )
    })::varchar as contexts,
    case when event_name not in ('page_view', 'scroll', 'user_engagement') then to_json({
        schema: 'iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0',
        data: {
            schema: 'iglu:com.snowplowanalytics.snowplow.ecommerce/snowplow_ecommerce_action/jsonschema/1-0-2',
            data: {type: case event_name
                when 'view_item' then 'product_view'
                when 'view_item_list' then 'list_view'
                when 'begin_checkout' then 'checkout_step'
                when 'purchase' then 'transaction'
                else event_name
            end}
        }
    })::varchar end as unstruct_event,
    case when event_name = 'scroll' then (draw('scroll', event_number) * 3000)::bigint::varchar end
    as pp_yoffset_max,
    user_agent as useragent,
    browser as br_name,
    language as br_lang,
    operating_system as os_name,
    time_zone as os_timezone,
    device_category as dvce_type,
    '800' as br_viewheight,
    '4000' as doc_height,
    click_id as mkt_clickid,
    strftime(occurred_at + to_milliseconds(40), '%Y-%m-%d %H:%M:%S.%g') as dvce_sent_tstamp,
    uuid_of('session', session_number) as domain_sessionid,
    strftime(occurred_at, '%Y-%m-%d %H:%M:%S.%g') as derived_tstamp,
    'com.snowplowanalytics.snowplow' as event_vendor,
    case
        when event_name = 'page_view' then 'page_view'
        when event_name in ('scroll', 'user_engagement') then 'page_ping'
        else 'snowplow_ecommerce_action'
    end as event_name,
    'jsonschema' as event_format,
    '1-0-2' as event_version,
    md5('fingerprint' || event_number) as event_fingerprint
from records
