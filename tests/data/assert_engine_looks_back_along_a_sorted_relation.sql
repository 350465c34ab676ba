-- In a sorted relation, the row before, the newest value and a total are those of its own timeline.
{{ config(meta={'dagster': {'ref': {'name': 'int_events_sessionized'}}}) }}
{%- set timeline = {'of': ['device'], 'ordered_by': ['instant']} %}
-- the linter knows no window frame without an order
-- noqa: disable=PRS
with

sightings as (

    -- more than one vector of rows, so that an engine that splits the work is caught
    select
        cast(number % 7 as varchar) as device,
        cast(number as bigint) as instant,
        case when number % 3 = 0 then 'u' || number end as known_user
    from (
        select unnest(range(20000)) as number
    ) as numbers

),

in_order as (

    select * from sightings
    order by device, instant

),

looked_back as (

    select
        *,
        {{ row_position(timeline) }} as place,
        {{ previous('device', timeline) }} as previous_device,
        {{ previous('instant', timeline) }} as previous_instant
    from in_order

),

with_latest as (

    select
        *,
        {{ latest('known_user', 'place', timeline) }} as latest_user,
        {{ total_so_far('case when known_user is null then 0 else 1 end', timeline) }}
            as users_so_far
    from looked_back

),

expected as (

    select
        device,
        instant,
        lag(instant) over (partition by device order by instant) as previous_instant,
        last_value(known_user ignore nulls) over (
            partition by device
            order by instant rows between unbounded preceding and current row
        ) as latest_user,
        count(known_user) over (
            partition by device
            order by instant rows between unbounded preceding and current row
        ) as users_so_far
    from sightings

)

select
    with_latest.device,
    with_latest.instant
from with_latest
inner join expected
    on with_latest.device = expected.device and with_latest.instant = expected.instant
inner join with_latest as first_of_timeline
    on with_latest.device = first_of_timeline.device and first_of_timeline.instant < 7
where
    -- totals differ within a timeline by what they should, whatever came before it
    with_latest.users_so_far - first_of_timeline.users_so_far
    != expected.users_so_far - case when first_of_timeline.known_user is null then 0 else 1 end
    or
    (
        expected.previous_instant is not null
        and (
            with_latest.previous_instant != expected.previous_instant
            or with_latest.previous_device != with_latest.device
        )
    )
    or (expected.latest_user is not null and with_latest.latest_user != expected.latest_user)
