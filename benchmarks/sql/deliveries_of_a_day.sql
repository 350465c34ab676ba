-- The events of the visits that begin on a day, each delivered once or twice.
insert into deliveries
with

numbered as (
    select sessions.*, unnest(range(event_count)) as position
    from sessions
    where day = $day
),

drawn as (
    select
        *,
        session_number * 1048576 + position as event_number,
        draw('event', session_number * 1048576 + position) as chance,
        draw('lateness', session_number * 1048576 + position) as lateness,
        draw('page', session_number * 1048576 + position // 3) as page
    from numbered
),

events as (
    select
        event_number,
        session_number,
        started_at as session_started_at,
        position,
        device,
        case when position >= login_position then user_number end as user_number,
        channel,
        visitor,
        page,
        lateness,
        product,
        started_at + to_microseconds(
            case
                when position = 0 then 0
                when visitor = 'person'
                    then duration_us * pow((position + 0.8 * chance) / event_count, 1.3)
                else duration_us * position / event_count
            end::bigint
        ) as occurred_at,
        case
            when visitor <> 'person' then 'page_view'
            when depth >= 1 and position = event_count // (depth + 1) then 'view_item'
            when depth >= 2 and position = event_count * 2 // (depth + 1) then 'add_to_cart'
            when depth >= 3 and position = event_count * 3 // (depth + 1) then 'begin_checkout'
            when depth >= 4 and position = event_count * 4 // (depth + 1) then 'purchase'
            when position = 0 then 'page_view'
            when position = 1 and login_position = 1 and user_number is not null then 'login'
            when chance < 0.45 then 'page_view'
            when chance < 0.68 then 'user_engagement'
            when chance < 0.85 then 'scroll'
            when chance < 0.93 then 'view_item_list'
            when chance < 0.97 then 'view_item'
            else 'search'
        end as event_name
    from drawn
),

placed as (
    select
        *,
        case
            when event_name in ('view_item', 'add_to_cart') then format('/product/P{:04d}', product)
            when event_name = 'begin_checkout' then '/checkout'
            when event_name = 'purchase' then '/checkout/thank-you'
            when event_name = 'login' then '/account/login'
            when event_name = 'search' then '/search'
            when event_name = 'view_item_list' or page < 0.3
                then format('/category/{}', 1 + floor(page * 40)::bigint % 12)
            when page < 0.55 then format('/product/P{:04d}', floor((page - 0.3) * 8000)::bigint)
            when page < 0.7 then format('/blog/post-{}', floor((page - 0.55) * 1000)::bigint)
            else '/'
        end as page_path,
        -- One in a hundred arrives up to three days late.
        occurred_at + case
            when lateness < 0.01 then to_seconds(3600 + lateness * 100 * 71 * 3600)
            else to_seconds(0.2 + lateness * 4)
        end as first_arrived_at
    from events
),

delivered as (
    select *, 1 as delivery, first_arrived_at as arrived_at
    from placed
    union all
    -- One in two hundred arrives twice, the second time up to two days later.
    select
        *,
        2,
        first_arrived_at + to_seconds(pow(draw('repeat after', event_number), 3) * 2 * 86400)
    from placed
    where draw('repeated', event_number) < 0.005
)

select
    delivered.event_number,
    delivered.delivery,
    date_diff('day', getvariable('first_day'), delivered.arrived_at),
    delivered.arrived_at,
    delivered.occurred_at,
    delivered.session_number,
    delivered.session_started_at,
    delivered.position,
    delivered.device,
    delivered.user_number,
    delivered.event_name,
    delivered.page_path,
    case
        when delivered.event_name in ('view_item', 'add_to_cart', 'begin_checkout', 'purchase')
            then delivered.product
    end,
    case
        when delivered.event_name in ('add_to_cart', 'begin_checkout', 'purchase')
            then 1 + delivered.session_number % 3
    end,
    case when delivered.position = 0 then delivered.channel end,
    delivered.session_number % 20
from delivered;
