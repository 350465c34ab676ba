-- a pause ends a session, then a change from one known user to another, then every 24 hours
with

spans as (
    select
        device_id,
        arraySort(groupArray((occurred_at, event_id, ifNull(user_id, '')))) as timeline,
        arrayJoin(arraySplit(
            (event, pause) -> pause > 30 * 60 * 1000000,
            timeline,
            arrayDifference(arrayMap(event -> toUnixTimestamp64Micro(event.1), timeline))
        )) as span
    from events
    group by device_id
),

stretches as (
    select
        device_id,
        arrayFill(user -> user != '', arrayMap(event -> event.3, span)) as users,
        arrayJoin(arraySplit(
            (event, user, user_before) ->
                event.3 != '' and user_before != '' and user != user_before,
            span,
            users,
            arrayPushFront(arrayPopBack(users), '')
        )) as stretch
    from spans
),

pieces as (
    select
        device_id,
        stretch,
        -- the event at the very distance still belongs before the cut
        arrayMap(
            event -> intDiv(
                greatest(dateDiff('microsecond', stretch[1].1, event.1), 1) - 1,
                24 * 3600 * 1000000
            ),
            stretch
        ) as numbers
    from stretches
),

sessions as (
    select
        device_id,
        arrayJoin(arraySplit(
            (event, number, number_before) -> number != number_before,
            stretch,
            numbers,
            arrayPushFront(arrayPopBack(numbers), 0)
        )) as session
    from pieces
)

select
    session[1].2 as session_id,
    device_id,
    session[1].1 as started_at,
    session[-1].1 as ended_at,
    length(session) as event_count
from sessions
