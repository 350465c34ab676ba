-- Google Analytics 4, as its BigQuery export names and nests it. Declared types: the staging twin.
select
    strftime(occurred_at, '%Y%m%d') as event_date,
    epoch_us(occurred_at) as event_timestamp,
    event_name,
    list_filter([
        {key: 'ga_session_id', value: {
            string_value: null::varchar, int_value: epoch(session_started_at)::bigint
        }},
        {key: 'page_location', value: {
            string_value: page_origin || page_path || coalesce('?' || page_query, ''),
            int_value: null
        }},
        {key: 'page_title', value: {string_value: page_title, int_value: null}},
        {key: 'page_referrer', value: {string_value: referrer_url, int_value: null}},
        {key: 'engagement_time_msec', value: {
            string_value: null,
            int_value: case when event_name = 'user_engagement'
                then 1000 + (draw('attention', event_number) * 20000)::bigint end
        }},
        {key: 'percent_scrolled', value: {
            string_value: null, int_value: case when event_name = 'scroll' then 90 end
        }},
        -- the same parameter is a number on some records and text on others
        {key: 'session_engaged', value: {
            string_value: case when position % 2 = 0 then '1' end,
            int_value: case when position % 2 = 1 then 1 end
        }},
        {key: 'transaction_id', value: {string_value: order_id, int_value: null}},
        {key: 'currency', value: {
            string_value: case when item_id is not null then 'USD' end, int_value: null
        }}
    ], lambda each: each.value.string_value is not null or each.value.int_value is not null)
    as event_params,
    revenue::double as event_value_in_usd,
    position as event_bundle_sequence_id,
    user_id,
    case when is_consenting then client_id end as user_pseudo_id,
    {
        analytics_storage: case when is_consenting then 'Yes' else 'No' end,
        ads_storage: case when is_consenting then 'Yes' else 'No' end,
        uses_transient_token: 'No'
    } as privacy_info,
    epoch_us(session_started_at) as user_first_touch_timestamp,
    {
        category: device_category,
        operating_system: operating_system,
        language: language,
        is_limited_ad_tracking: 'No',
        web_info: {browser: browser, browser_version: '133.0', hostname: 'shop.example'}
    } as device,
    {continent: 'unknown', country: country, region: region, city: city} as geo,
    {
        medium: coalesce(utm_medium, '(none)'),
        name: coalesce(utm_campaign, '(direct)'),
        source: coalesce(utm_source, '(direct)')
    } as traffic_source,
    '1234567' as stream_id,
    'WEB' as platform,
    case when event_name = 'purchase' then {
        total_item_quantity: quantity,
        purchase_revenue_in_usd: revenue::double,
        purchase_revenue: revenue::double,
        unique_items: 1,
        transaction_id: order_id
    } end as ecommerce,
    case when item_id is null then [] else [{
        item_id: item_id,
        item_name: item_name,
        item_brand: item_brand,
        item_category: item_category,
        price_in_usd: price::double,
        price: price::double,
        quantity: quantity,
        item_revenue: revenue::double
    }] end as items,
    case when utm_source is not null then {
        manual_campaign_name: utm_campaign,
        manual_source: utm_source,
        manual_medium: utm_medium,
        gclid: case when click_id_type = 'gclid' then click_id end
    } end as collected_traffic_source,
    true as is_active_user,
    position % 4 as batch_event_index,
    1 + position // 3 as batch_page_id,
    1 + position // 4 as batch_ordering_id
from records
