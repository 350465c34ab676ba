-- identity hangs on sessions: a late login changes whose a session is, never the session itself
{%- set device_timeline -%}
partition by source_name, device_id order by started_at, session_id
{%- endset %}

with

sessions as (

    select * from {{ ref('int_sessions_channeled') }}

),

sources as (

    select * from {{ ref('stg_loader__sources') }}

),

with_nearest_user as (

    select
        *,
        last_value(user_id ignore nulls) over (
            {{ device_timeline }} rows between unbounded preceding and current row
        ) as user_id_before,
        first_value(user_id ignore nulls) over (
            {{ device_timeline }} rows between current row and unbounded following
        ) as user_id_after
    from sessions

),

identified as (

    select
        with_nearest_user.*,
        coalesce(
            with_nearest_user.user_id,
            with_nearest_user.user_id_before,
            with_nearest_user.user_id_after
        ) as person_user_id,
        case
            when with_nearest_user.user_id is not null then 'user_seen'
            when with_nearest_user.user_id_before is not null then 'user_seen_before'
            when with_nearest_user.user_id_after is not null then 'user_seen_after'
            else 'device_only'
        end as identity_reason,
        coalesce(sources.user_namespace, 'default') as user_namespace
    from with_nearest_user
    left join sources on with_nearest_user.source_name = sources.source_name

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
