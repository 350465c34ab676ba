-- by arrays: windows took twice as long
select
    session[1].2 as session_id,
    device_id,
    person_id,
    session[1].1 as started_at,
    session[-1].1 as ended_at,
    length(session) as event_count
from (
    select
        device_id,
        any(person_id) as person_id,
        arraySort(groupArray((occurred_at, event_id))) as timeline,
        arrayJoin(arraySplit(
            (event, pause) -> pause > 30 * 60 * 1000000,
            timeline,
            arrayDifference(arrayMap(event -> toUnixTimestamp64Micro(event.1), timeline))
        )) as session
    from events
    group by device_id
)
