-- identity hangs on sessions: a late login changes whose a session is, never the session itself
with

sessions as (

    select * from {{ ref('int_sessions_channeled') }}

),

sources as (

    select * from {{ ref('stg_loader__sources') }}

),

users_sighted as (

    select * from {{ ref('int_users_sighted') }}

),

-- the newest sighting on the device at or before the start of each session
users_before as (

    select
        session_id,
        user_id
    from (
        select
            sessions.session_id,
            users_sighted.user_id,
            row_number() over (
                partition by sessions.session_id order by users_sighted.sighting_number desc
            ) as recency
        from sessions
        inner join users_sighted
            on
                sessions.source_name = users_sighted.source_name
                and sessions.device_id = users_sighted.device_id
                and sessions.started_at >= users_sighted.seen_from_at
        where sessions.user_id is null
    ) as ranked
    where recency = 1

),

identified as (

    select
        sessions.*,
        coalesce(sessions.user_id, users_before.user_id, first_users.user_id) as person_user_id,
        case
            when sessions.user_id is not null then 'user_seen'
            when users_before.user_id is not null then 'user_seen_before'
            when first_users.user_id is not null then 'user_seen_after'
            else 'device_only'
        end as identity_reason,
        coalesce(sources.user_namespace, 'default') as user_namespace
    from sessions
    left join users_before on sessions.session_id = users_before.session_id
    left join users_sighted as first_users
        on
            sessions.source_name = first_users.source_name
            and sessions.device_id = first_users.device_id
            and first_users.is_first
    left join sources on sessions.source_name = sources.source_name

),

with_person as (

    select
        *,
        case
            when person_user_id is not null
                then {{ stable_id(["'user'", 'user_namespace', 'person_user_id']) }}
            else {{ stable_id(["'device'", 'source_name', 'device_id']) }}
        end as person_id
    from identified

)

select
    *,
    row_number() over (
        partition by person_id order by started_at, session_id
    ) as session_number
from with_person
