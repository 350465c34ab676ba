-- identity hangs on sessions: a late login changes whose a session is, never the session itself
with

sessions as (

    select
        session_id,
        source_name,
        device_id,
        user_id,
        started_at
    from {{ ref('int_sessions_summarized') }}
    {%- if is_increment() %}
    -- a login on the device, or a merge of ids, changes whose other sessions are
    where
        {{ is_restated('session', 'session_id') }}
        or {{ is_restated('device', 'device_id') }}
        or session_id in (
            select owned.session_id from {{ this }} as owned
            where {{ is_restated('identifier', 'owned.identifier') }}
        )
    {%- endif %}

),

sources as (

    select * from {{ ref('stg_loader__sources') }}

),

users_sighted as (

    select * from {{ ref('int_users_sighted') }}

),

identifiers_merged as (

    select * from {{ ref('int_identifiers_merged') }}

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

sighted as (

    select
        sessions.session_id,
        sessions.source_name,
        sessions.device_id,
        coalesce(sessions.user_id, users_before.user_id, first_users.user_id) as user_id,
        case
            when sessions.user_id is not null then 'user_seen'
            when users_before.user_id is not null then 'user_seen_before'
            when first_users.user_id is not null then 'user_seen_after'
            else 'device_only'
        end as reason,
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

owned as (

    select
        session_id,
        user_namespace,
        user_id,
        reason,
        case when user_id is null then 'device' else 'user' end as identifier_type,
        case when user_id is null then source_name else user_namespace end as scope,
        coalesce(user_id, device_id) as identifier,
        case
            when user_id is not null then {{ stable_id(["'user'", 'user_namespace', 'user_id']) }}
            else {{ stable_id(["'device'", 'source_name', 'device_id']) }}
        end as person_id
    from sighted

)

-- whom the source itself says to be one person is one
select
    owned.session_id,
    owned.user_namespace,
    owned.identifier,
    coalesce(identifiers_merged.user_id, owned.user_id) as person_user_id,
    case
        when identifiers_merged.person_id != owned.person_id then 'merged_by_source'
        else owned.reason
    end as identity_reason,
    coalesce(identifiers_merged.person_id, owned.person_id) as person_id
from owned
left join identifiers_merged
    on
        owned.identifier_type = identifiers_merged.identifier_type
        and owned.scope = identifiers_merged.scope
        and owned.identifier = identifiers_merged.identifier
