-- Every event that a funnel or a conversion names has been seen: a misspelt name matches nothing.
{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'events'}}}) }}
with

defined as (

    select
        'funnel ' || funnel as definition,
        source_name,
        event_name
    from {{ ref('funnels') }}

    union all

    select
        'conversion ' || conversion_name as definition,
        source_name,
        event_name
    from {{ ref('conversion_definitions') }}

),

seen as (

    select distinct
        source_name,
        event_name
    from {{ ref('events') }}

)

select distinct
    defined.definition,
    defined.source_name,
    defined.event_name
from defined
left join seen
    on
        defined.event_name = seen.event_name
        and (defined.source_name = '*' or defined.source_name = seen.source_name)
where
    defined.event_name != '*'
    and seen.event_name is null
    -- an empty warehouse has seen nothing yet
    and exists (select 1 from {{ ref('events') }})
