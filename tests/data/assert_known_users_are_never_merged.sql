-- Two known users are one person only where their source says so: a shared device merges nobody.
{{ config(meta={'dagster': {'ref': {'name': 'person_identities'}}}) }}
with

user_identities as (

    select
        person_id,
        source_name,
        identifier as user_id,
        reason
    from {{ ref('person_identities') }}
    where identifier_type = 'user'

),

persons_of_two_users as (

    select person_id
    from user_identities
    where reason != 'merged_by_source'
    group by person_id
    having count(distinct user_id) > 1

),

links as (

    select
        sources.user_namespace,
        linked.identifier
    from {{ ref('int_identifiers_linked') }} as linked
    inner join {{ ref('stg_loader__sources') }} as sources
        on linked.source_name = sources.source_name

),

merged_without_a_link as (

    select user_identities.person_id
    from user_identities
    inner join {{ ref('stg_loader__sources') }} as sources
        on user_identities.source_name = sources.source_name
    left join links
        on
            sources.user_namespace = links.user_namespace
            and user_identities.user_id = links.identifier
    where user_identities.reason = 'merged_by_source' and links.identifier is null

)

select person_id from persons_of_two_users
union all
select person_id from merged_without_a_link
