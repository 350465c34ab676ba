with

sources as (

    select * from {{ ref('stg_loader__sources') }}

),

load_files as (

    select
        source_name,
        max(loaded_at) as last_loaded_at,
        count(*) as file_count
    from {{ ref('stg_loader__load_files') }}
    where status = 'loaded'
    group by source_name

),

source_horizons as (

    select * from {{ ref('int_source_horizons') }}

)

select
    sources.source_name,
    sources.source_kind,
    sources.is_configured,
    coalesce(load_files.file_count, 0) as file_count,
    load_files.last_loaded_at,
    source_horizons.data_from_at,
    source_horizons.data_through_at,
    sources.freshness_hours
from sources
left join load_files on sources.source_name = load_files.source_name
left join source_horizons on sources.source_name = source_horizons.source_name
