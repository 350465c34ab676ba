-- Every revenue that a mapped source gives is a number: 30,50 or $30 would be counted as nothing.
{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'stg_generic__events'}}}) }}
select
    _source_name as source_name,
    count(*) as record_count,
    min(revenue) as example
from {{ source('raw', 'generic_events') }}
where {{ not_blank('revenue') }} is not null and try_cast(revenue as decimal(18, 4)) is null
group by _source_name
