-- No field is new, vanished or retyped on the newest days of its source (drift_warn_days).
{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'schema_drift'}}}) }}
with

schema_drift as (

    select * from {{ ref('schema_drift') }}

),

newest_days as (

    select distinct
        source_name,
        event_date,
        dense_rank() over (partition by source_name order by event_date desc) as newness
    from {{ ref('int_fields_counted') }}

)

select
    schema_drift.source_name,
    schema_drift.event_date,
    schema_drift.field_name,
    schema_drift.change,
    schema_drift.types_before,
    schema_drift.types_after
from schema_drift
inner join newest_days
    on
        schema_drift.source_name = newest_days.source_name
        and schema_drift.event_date = newest_days.event_date
where newest_days.newness <= {{ var('drift_warn_days') }}
