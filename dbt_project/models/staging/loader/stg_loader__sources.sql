with

source as (

    select * from {{ source('loader', 'sources') }}

),

renamed as (

    select
        source_name,
        source_kind,
        user_namespace,
        session_ids_from,
        lower(own_hosts) as own_hosts,
        timezone as source_timezone,
        earliest_date,
        freshness_hours,
        is_configured
    from source

)

select * from renamed
