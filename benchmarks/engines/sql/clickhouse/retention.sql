select
    cohort_week,
    week,
    count() as persons
from (
    select
        min(toMonday(started_at)) as cohort_week,
        arrayJoin(groupUniqArray(toMonday(started_at))) as week
    from sessions
    group by person_id
)
group by cohort_week, week
