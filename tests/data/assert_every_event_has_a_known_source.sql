-- The settings of every source with events are known, also after it was taken out of sources.yml.
{{ config(meta={'dagster': {'ref': {'name': 'source_freshness'}}}) }}
select
    events.source_name,
    count(*) as event_count
from {{ ref('events') }} as events
left join {{ ref('source_freshness') }} as sources on events.source_name = sources.source_name
where sources.source_name is null
group by events.source_name
