-- Events follow the tracking plan: their names, properties, types and values are planned ones.
{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'tracking_plan_violations'}}}) }}
select
    source_name,
    event_name,
    property_name,
    violation,
    sum(records_affected) as records_affected
from {{ ref('tracking_plan_violations') }}
group by source_name, event_name, property_name, violation
