with

session_events as (

    select * from {{ ref('int_events_accepted') }}

),

with_view as (

    select
        *,
        event_name in ('page_view', 'screen_view') as is_view,
        -- what happens after a view and before the next one belongs to it
        last_value(
            case when event_name in ('page_view', 'screen_view') then event_id end ignore nulls
        ) over (
            partition by session_id
            order by session_event_number rows between unbounded preceding and current row
        ) as view_event_id
    from session_events
    where session_id is not null

),

measured as (

    select
        view_event_id,
        cast(sum(engaged_seconds) as decimal(18, 3)) as engaged_seconds,
        max(scroll_percent) as scroll_percent
    from with_view
    where view_event_id is not null
    group by view_event_id

),

views as (

    select
        *,
        row_number() over (partition by session_id order by session_event_number) as view_number,
        lead(event_id) over (partition by session_id order by session_event_number)
            as next_view_event_id
    from with_view
    where is_view

)

select
    views.event_id,
    views.source_name,
    views.session_id,
    views.device_id,
    views.occurred_at,
    views.event_date,
    views.page_view_id,
    views.page_url,
    views.page_host,
    views.page_path,
    views.page_title,
    views.referrer_url,
    views.referrer_host,
    views.is_bot,
    views.view_number,
    views.view_number = 1 as is_entrance,
    views.next_view_event_id is null as is_exit,
    measured.engaged_seconds,
    measured.scroll_percent
from views
left join measured on views.event_id = measured.view_event_id
