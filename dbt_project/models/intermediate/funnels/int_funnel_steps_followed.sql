-- where the way goes on from every step: to the actor's earliest later event that is the next step
with

steps as (

    select * from {{ ref('int_funnel_steps_matched') }}
    where {{ is_restated('person', 'person_id') }}

)

select
    steps.funnel,
    steps.actor_id,
    steps.person_id,
    steps.step,
    steps.place,
    next_step.place as next_place,
    next_step.occurred_at as next_occurred_at
from steps
{{ left_join_next(
    'steps', 'next_step',
    'steps.funnel = next_step.funnel and steps.actor_id = next_step.actor_id'
    ~ ' and steps.step + 1 = next_step.step',
    'steps.place', 'next_step.place'
) }}
