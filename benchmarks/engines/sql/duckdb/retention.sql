-- A person's weeks are the bits of one number, so that persons with the same weeks are counted
-- together before weeks are counted; up to 127 weeks, and an error beyond.
with

first_week as (

    select cast(date_trunc('week', min(started_at)) as date) as monday
    from sessions

),

persons as (

    select
        sessions.person_id,
        bit_or(1::hugeint << ((sessions.started_at::date - first_week.monday) // 7)::integer)
            as weeks
    from sessions
    cross join first_week
    group by sessions.person_id

),

alike as (

    select
        list_filter(range(127), lambda week: (weeks >> week::integer) & 1 = 1) as weeks,
        count(*) as persons
    from persons
    group by persons.weeks

),

active as (

    select
        weeks[1] as cohort_week,
        unnest(weeks) as week,
        persons
    from alike

)

select
    first_week.monday + 7 * active.cohort_week::integer as cohort_week,
    first_week.monday + 7 * active.week::integer as week,
    sum(active.persons) as persons
from active
cross join first_week
group by active.cohort_week, active.week, first_week.monday
