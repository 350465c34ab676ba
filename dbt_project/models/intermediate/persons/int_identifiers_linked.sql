-- which ids a source itself says are one person's: in an event (an alias, a merge, a login), or in
-- what it says of its persons, where the newest version counts
with

stated_links as (

    select * from {{ ref('int_identity_links_unioned') }}

),

accepted_events as (

    select
        event_id,
        source_name,
        occurred_at,
        file_id,
        row_number
    from {{ ref('int_events_accepted') }}

),

profiles as (

    select * from {{ ref('int_profiles_judged') }}
    where verdict = 'accepted'

),

sources as (

    select * from {{ ref('stg_loader__sources') }}

),

ignored_user_ids as (

    select * from {{ ref('ignored_user_ids') }}

),

versions as (

    select
        *,
        row_number() over (
            partition by source_name, identifier
            order by version desc nulls last, profiled_at desc nulls last, profile_id asc
        ) as recency
    from profiles

),

links as (

    select
        {{ stable_id(["'event'", 'accepted_events.event_id']) }} as link_id,
        accepted_events.source_name,
        stated_links.identifier,
        stated_links.is_anonymous,
        accepted_events.occurred_at as linked_at
    from stated_links
    inner join accepted_events
        on
            stated_links.file_id = accepted_events.file_id
            and stated_links.row_number = accepted_events.row_number

    union all

    select
        {{ stable_id(["'person'", 'source_name', 'person_key']) }} as link_id,
        source_name,
        identifier,
        false as is_anonymous,
        profiled_at as linked_at
    from versions
    where recency = 1 and person_key is not null and not is_deleted

),

linked as (

    select
        links.link_id,
        links.source_name,
        coalesce(sources.user_namespace, 'default') as user_namespace,
        links.identifier,
        min(case when links.is_anonymous then 1 else 0 end) = 1 as is_anonymous,
        min(links.linked_at) as linked_at
    from links
    left join sources on links.source_name = sources.source_name
    left join ignored_user_ids
        on '"' || lower(links.identifier) || '"' = ignored_user_ids.quoted_user_id
    -- an id that many share links nobody
    where links.identifier is not null and ignored_user_ids.quoted_user_id is null
    group by links.link_id, links.source_name, sources.user_namespace, links.identifier

),

counted as (

    select
        *,
        count(*) over (partition by link_id) as identifier_count
    from linked

)

select
    link_id,
    source_name,
    user_namespace,
    identifier,
    is_anonymous,
    linked_at
from counted
where identifier_count > 1
