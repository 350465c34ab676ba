-- Every source with a freshness limit (freshness_hours in sources.yml) was loaded within it.
{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'source_freshness'}}}) }}
select
    source_name,
    last_loaded_at,
    freshness_hours
from {{ ref('source_freshness') }}
where
    is_configured
    and freshness_hours is not null
    and (
        last_loaded_at is null
        or {{ micros_between('last_loaded_at', dbt.current_timestamp()) }}
        > cast(freshness_hours as bigint) * 3600000000
    )
