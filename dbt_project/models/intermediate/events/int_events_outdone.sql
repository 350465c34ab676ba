{%- set all_it_says = event_content() + [
    'session_thread', 'event_order', 'platform', 'page_view_id', 'utm_term', 'utm_content',
    'click_id', 'click_id_type', 'device_category', 'browser', 'operating_system', 'language',
    'country', 'region', 'city', 'consent_analytics', 'consent_ads',
] %}
-- an event id stands for one event: of the records that carry it, all but one are outdone
with

repeated_ids as (

    select event_id
    from {{ ref('int_events_unioned') }}
    group by event_id
    having count(*) > 1

),

candidates as (

    select
        event_id,
        file_id,
        row_number,
        is_partial,
        revised_at,
        received_at,
        {{ stable_id(all_it_says) }} as content_id
    from {{ ref('int_events_named') }}
    where
        rejection_reason is null
        and event_id in (select repeated_ids.event_id from repeated_ids)

),

ranked as (

    select
        *,
        -- what says more wins, then what was revised last, then first received; then what neither
        -- the order of loading nor the cutting into files decides
        row_number() over (
            partition by event_id
            order by
                is_partial asc,
                revised_at desc nulls last,
                received_at asc nulls last,
                content_id asc,
                file_id asc,
                row_number asc
        ) as preference
    from candidates

)

select
    event_id,
    file_id,
    row_number
from ranked
where preference > 1
