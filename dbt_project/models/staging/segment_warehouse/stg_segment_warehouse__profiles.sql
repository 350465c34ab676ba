with

source as (

    select
        *,
        {{ parse_timestamp('received_at', '_source_timezone') }} as profiled_at
    from {{ source('raw', 'segment_warehouse_rows') }}
    where _table in ('users', 'accounts') and event is null

),

renamed as (

    select
        ---------- ids
        {{ stable_id(['_source_name', '_table', 'id', 'profiled_at', '_other_fields']) }}
            as profile_id,
        _source_name as source_name,
        {{ not_blank('id') }} as identifier,
        cast(null as varchar) as person_key,
        _file_id as file_id,
        _row_number as row_number,

        ---------- strings
        case when {{ not_blank('id') }} is null then 'missing_identifier' end as rejection_reason,
        _other_fields as properties,

        ---------- numerics
        cast(null as bigint) as version,

        ---------- booleans
        false as is_deleted,

        ---------- timestamps
        profiled_at,
        _loaded_at as loaded_at
    from source

)

select * from renamed
