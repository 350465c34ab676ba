with

source as (

    select * from {{ source('raw', 'matomo_actions') }}

),

-- the vendor writes when an action was by the clock of its site, as if that were UTC; the times of
-- the visit are UTC (matomo-org/matomo#22720). Actions are listed in order, and with the first the
-- visit began: the two are as far apart as the clock is from UTC, in quarters of an hour. Where the
-- first listed is a later one, by less than one more; a minute is for servers that disagree
with_clock as (

    select
        *,
        cast(floor((
            first_value(
                try_cast(timestamp as decimal(24, 6))
                - try_cast(firstActionTimestamp as decimal(24, 6))
            ) over (
                partition by _file_id, idSite, idVisit, firstActionTimestamp order by _row_number
            ) + 60
        ) / (15 * 60)) as bigint) as quarters_ahead
    from source

),

with_utc as (

    select
        *,
        case
            -- no clock is further from UTC
            when quarters_ahead between -12 * 4 and 14 * 4 and quarters_ahead != 0
                then cast(
                        try_cast(timestamp as decimal(24, 6)) - quarters_ahead * 15 * 60 as varchar
                    )
            else timestamp
        end as utc_timestamp
    from with_clock

),

with_identity as (

    select
        *,
        -- the vendor's page id numbers whatever was tracked as an action; a goal has that of the
        -- action that reached it, an order its own id, and of abandoned carts a visit has one; the
        -- time as it was sent, so that no reading of it changes the id
        case
            when type = 'goal' then concat_ws(' ', 'goal', goalId, goalPageId, timestamp)
            when type = 'ecommerceOrder' then 'order ' || {{ not_blank('"orderId"') }}
            when type = 'ecommerceAbandonedCart' then 'cart'
            else 'action ' || {{ not_blank('"pageId"') }}
        end as action_identity,
        -- what brought the visit says nothing of its later pages
        coalesce(
            try_cast(utc_timestamp as decimal(24, 6))
            = try_cast(firstActionTimestamp as decimal(24, 6)),
            true
        ) as is_entry,
        case
            when type in ('action', 'event', 'search', 'content', 'goal')
                then {{ not_blank('url') }}
        end as page_address
    from with_utc

),

renamed as (

    select
        ---------- ids
        case
            when action_identity is not null and {{ not_blank('"idVisit"') }} is not null
                then {{ stable_id(['_source_name', '"idSite"', '"idVisit"', 'action_identity']) }}
            -- without the vendor's ids the content is the identity
            else {{ stable_id([
                '_source_name', "'content'", '"idSite"', '"idVisit"', '"visitorId"', '"type"',
                '"timestamp"', 'url', '"pageTitle"', '"eventCategory"', '"eventAction"',
                '"eventName"', '"contentName"', '"contentInteraction"', '"siteSearchKeyword"',
            ]) }}
        end as event_id,
        _source_name as source_name,
        'matomo' as source_kind,
        nullif({{ not_blank('"visitorId"') }}, 'false') as device_id,
        nullif({{ not_blank('"userId"') }}, 'false') as user_id,
        {{ not_blank('"idVisit"') }} as tracker_session_id,
        {{ not_blank('idpageview') }} as page_view_id,
        {{ not_blank('"orderId"') }} as order_id,
        {{ not_blank('"productViewSku"') }} as item_id,
        _file_id as file_id,
        _row_number as row_number,

        ---------- strings
        case
            when type = 'event' then coalesce({{ not_blank('"eventAction"') }}, 'event')
            -- named apart from the action that it repeats; of a goal that was deleted since, the
            -- vendor tells neither name nor id
            when type = 'goal'
                then 'goal: ' || coalesce(
                        {{ not_blank('"goalName"') }}, {{ not_blank('"goalId"') }}, '(deleted)'
                    )
            when type = 'content' and {{ not_blank('"contentInteraction"') }} is not null
                then 'content interaction'
            when type = 'content' then 'content impression'
            else {{ not_blank('"type"') }}
        end as source_event_name,
        'web' as platform,
        page_address as page_url,
        {{ not_blank('"pageTitle"') }} as page_title,
        case
            when is_entry then nullif({{ not_blank('"referrerUrl"') }}, 'false')
        end as referrer_url,
        case when is_entry then {{ not_blank('"campaignSource"') }} end as utm_source,
        case when is_entry then {{ not_blank('"campaignMedium"') }} end as utm_medium,
        case
            when is_entry
                then coalesce(
                        {{ not_blank('"campaignName"') }},
                        case
                            when referrerType = 'campaign' then {{ not_blank('"referrerName"') }}
                        end
                    )
        end as utm_campaign,
        case
            when is_entry
                then coalesce(
                        {{ not_blank('"campaignKeyword"') }},
                        case
                            when referrerType = 'campaign'
                                then nullif({{ not_blank('"referrerKeyword"') }}, 'false')
                        end
                    )
        end as utm_term,
        case when is_entry then {{ not_blank('"campaignContent"') }} end as utm_content,
        cast(null as varchar) as click_id,
        cast(null as varchar) as click_id_type,
        -- the vendor keeps none; it leaves bots out itself
        cast(null as varchar) as user_agent,
        case lower({{ not_blank('"deviceType"') }})
            when 'smartphone' then 'mobile'
            when 'phablet' then 'mobile'
            when 'feature phone' then 'mobile'
            when 'unknown' then null
            else lower({{ not_blank('"deviceType"') }})
        end as device_category,
        {{ not_blank('"browserName"') }} as browser,
        coalesce({{ not_blank('"operatingSystemName"') }}, {{ not_blank('"operatingSystem"') }})
            as operating_system,
        {{ not_blank('"languageCode"') }} as language,
        {{ not_blank('country') }} as country,
        {{ not_blank('region') }} as region,
        {{ not_blank('city') }} as city,
        cast(null as varchar) as consent_analytics,
        cast(null as varchar) as consent_ads,
        upper(nullif({{ not_blank('"siteCurrency"') }}, 'false')) as currency,
        {{ not_blank('"timestamp"') }} as occurred_at_text,
        cast(null as varchar) as rejection_reason,
        {{ json_from({
            'type': '"type"',
            'url': 'url',
            'idSite': '"idSite"',
            'eventCategory': '"eventCategory"',
            'eventAction': '"eventAction"',
            'eventName': '"eventName"',
            'eventValue': '"eventValue"',
            'goalId': '"goalId"',
            'goalName': '"goalName"',
            'goalPageId': '"goalPageId"',
            'pageId': '"pageId"',
            'revenue': 'revenue',
            'siteSearchKeyword': '"siteSearchKeyword"',
            'contentName': '"contentName"',
            'contentInteraction': '"contentInteraction"',
            'productViewName': '"productViewName"',
            'productViewPrice': '"productViewPrice"',
            'productViewCategories': '"productViewCategories"',
            'itemDetails': '"itemDetails"',
            'referrerType': '"referrerType"',
            'referrerName': '"referrerName"',
            'referrerKeyword': '"referrerKeyword"',
            'lastActionTimestamp': '"lastActionTimestamp"',
            'other_fields': '_other_fields',
        }) }} as properties,

        ---------- numerics
        -- a cart that was left earned nothing; the vendor gives a goal without a value 0
        case
            when type in ('ecommerceOrder', 'goal')
                then nullif(try_cast(revenue as decimal(18, 4)), 0)
        end as revenue,
        -- 0 is what the vendor writes of a page after which nothing was seen
        nullif(try_cast(timeSpent as decimal(18, 3)), 0) as engaged_seconds,
        cast(null as integer) as scroll_percent,
        try_cast(coalesce(pageId, goalPageId) as bigint) as event_order,

        ---------- booleans
        false as is_partial,

        ---------- timestamps
        {{ parse_timestamp('utc_timestamp', "'UTC'") }} as occurred_at,
        cast(null as timestamp) as received_at,
        _loaded_at as loaded_at,
        -- a visit is told again as it goes on: its last action says which telling knows more
        {{ parse_timestamp('"lastActionTimestamp"', "'UTC'") }} as revised_at
    from with_identity

)

select * from renamed
