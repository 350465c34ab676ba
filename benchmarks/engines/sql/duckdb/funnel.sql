-- From each step back to the latest start that leads to it, in lists of a person's times: time goes
-- with the product of two lists' lengths, which is for persons, not for machines.
with

persons as (

    select
        person_id,
        list(occurred_at) filter (where event_name = 'view_item') as firsts,
        list(occurred_at) filter (where event_name = 'add_to_cart') as seconds,
        list(occurred_at) filter (where event_name = 'begin_checkout') as thirds,
        list(occurred_at) filter (where event_name = 'purchase') as fourths
    from events
    where event_name in ('view_item', 'add_to_cart', 'begin_checkout', 'purchase')
    group by person_id

),

to_second as (

    select
        *,
        list_filter(
            list_transform(seconds, lambda time: {
                'done_at': time,
                'started_at': list_max(list_filter(firsts, lambda first: first <= time))
            }),
            lambda step: step.done_at - step.started_at <= interval 336 hours
        ) as second_steps
    from persons
    where firsts is not null

),

to_third as (

    select
        *,
        list_filter(
            list_transform(thirds, lambda time: {
                'done_at': time,
                'started_at': list_max(list_transform(
                    list_filter(second_steps, lambda step: step.done_at <= time),
                    lambda step: step.started_at
                ))
            }),
            lambda step: step.done_at - step.started_at <= interval 336 hours
        ) as third_steps
    from to_second

),

to_fourth as (

    select
        *,
        list_filter(
            list_transform(fourths, lambda time: {
                'done_at': time,
                'started_at': list_max(list_transform(
                    list_filter(third_steps, lambda step: step.done_at <= time),
                    lambda step: step.started_at
                ))
            }),
            lambda step: step.done_at - step.started_at <= interval 336 hours
        ) as fourth_steps
    from to_third

)

select
    person_id,
    case
        when len(fourth_steps) > 0 then 4
        when len(third_steps) > 0 then 3
        when len(second_steps) > 0 then 2
        else 1
    end as furthest_step
from to_fourth
