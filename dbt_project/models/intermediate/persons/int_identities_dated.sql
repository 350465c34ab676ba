-- periods in which one identifier stood for one person for one reason
with

sessions as (

    select * from {{ ref('int_sessions_identified') }}

),

device_changes as (

    select
        source_name,
        device_id,
        person_id,
        identity_reason,
        started_at,
        session_id,
        coalesce(
            lag(person_id) over (
                partition by source_name, device_id order by started_at, session_id
            ) = person_id
            and lag(identity_reason) over (
                partition by source_name, device_id order by started_at, session_id
            ) = identity_reason,
            false
        ) as is_continued
    from sessions
    where {{ is_restated('identity', 'device_id') }}

),

device_periods as (

    select
        source_name,
        'device' as identifier_type,
        device_id as identifier,
        person_id,
        started_at as valid_from,
        -- the next period begins where this one ends, so each moment belongs to one person
        lead(started_at) over (
            partition by source_name, device_id order by started_at, session_id
        ) as valid_to,
        identity_reason as reason
    from device_changes
    where not is_continued

),

user_periods as (

    select
        source_name,
        'user' as identifier_type,
        user_id as identifier,
        person_id,
        min(started_at) as valid_from,
        cast(null as timestamp) as valid_to,
        -- the same in all sessions of the user
        max(identity_reason) as reason
    from sessions
    where user_id is not null and {{ is_restated('identity', 'user_id') }}
    group by source_name, user_id, person_id

),

periods as (

    select * from device_periods
    union all
    select * from user_periods

)

select
    {{ stable_id(['source_name', 'identifier_type', 'identifier', 'valid_from', 'person_id']) }}
        as person_identity_id,
    source_name,
    identifier_type,
    identifier,
    person_id,
    valid_from,
    valid_to,
    valid_to is null as is_current,
    reason
from periods
