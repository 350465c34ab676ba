-- Who is who, by what the sources say themselves, transitively. Ids are joined along their links; a
-- device, which people share, joins nobody: it goes to one person, the first that it was linked to.
with recursive

links as (

    select * from {{ ref('int_identifiers_linked') }}

),

sources as (

    select * from {{ ref('stg_loader__sources') }}

),

-- all events are read apart for users and for devices: read for both, the engine would store them
known_users as (

    select
        coalesce(sources.user_namespace, 'default') as user_namespace,
        accepted_events.user_id
    from {{ ref('int_events_accepted') }} as accepted_events
    left join sources on accepted_events.source_name = sources.source_name
    where accepted_events.user_id in (select links.identifier from links)
    group by coalesce(sources.user_namespace, 'default'), accepted_events.user_id

),

known_devices as (

    select
        source_name,
        device_id
    from {{ ref('int_events_accepted') }}
    where device_id in (select links.identifier from links)
    group by source_name, device_id

),

told_apart as (

    select
        links.*,
        -- an id that no event has may be a retired one between two others: it joins them
        links.is_anonymous or (known_users.user_id is null and known_devices.device_id is not null)
            as is_device,
        coalesce(known_users.user_id, known_devices.device_id) is not null as is_known
    from links
    left join known_users
        on
            links.user_namespace = known_users.user_namespace
            and links.identifier = known_users.user_id
    left join known_devices
        on
            links.source_name = known_devices.source_name
            and links.identifier = known_devices.device_id

),

members as (

    select
        link_id,
        linked_at,
        identifier,
        is_device,
        is_known,
        case when is_device then source_name else user_namespace end as scope,
        case
            when is_device then {{ stable_id(["'device'", 'source_name', 'identifier']) }}
            else {{ stable_id(["'user'", 'user_namespace', 'identifier']) }}
        end as node,
        max(case when is_device then 0 else 1 end) over (partition by link_id) = 1 as has_user
    from told_apart

),

-- devices that are linked to each other alone are joined like users
edges as (

    select
        link_id,
        node
    from members
    where is_device != has_user

),

steps as (

    select
        link_id as from_node,
        node as to_node
    from edges

    union

    select
        node as from_node,
        link_id as to_node
    from edges

),

-- the smallest name that reaches a node names all that are joined
labels as (

    select
        from_node as node,
        from_node as label
    from steps

    union

    select
        steps.to_node as node,
        min(labels.label) as label
    from labels
    inner join steps on labels.node = steps.from_node
    group by steps.to_node

),

components as (

    select
        node,
        min(label) as component
    from labels
    group by node

),

with_component as (

    select
        members.*,
        coalesce(own.component, members.node) as own_component,
        of_link.component as link_component
    from members
    left join components as own on members.node = own.node
    left join components as of_link on members.link_id = of_link.node

),

devices_given as (

    select
        own_component,
        link_component
    from (
        select
            own_component,
            link_component,
            row_number() over (
                partition by own_component order by linked_at nulls last, link_id
            ) as preference
        from with_component
        where is_device and has_user
    ) as ranked
    where preference = 1

),

identifiers as (

    select
        with_component.is_device,
        with_component.scope,
        with_component.identifier,
        with_component.node,
        -- the same for every link of the identifier
        min(coalesce(devices_given.link_component, with_component.own_component)) as component
    from with_component
    left join devices_given
        on with_component.is_device and with_component.own_component = devices_given.own_component
    where with_component.is_known
    group by
        with_component.is_device,
        with_component.scope,
        with_component.identifier,
        with_component.node

)

-- a person keeps the id of its smallest user, else of its smallest device
select
    case when is_device then 'device' else 'user' end as identifier_type,
    scope,
    identifier,
    first_value(node) over (
        partition by component order by is_device, scope, identifier
    ) as person_id,
    first_value(case when not is_device then identifier end) over (
        partition by component order by is_device, scope, identifier
    ) as user_id
from identifiers
