with

source as (

    select * from {{ source('loader', 'load_files') }}

),

renamed as (

    select
        ---------- ids
        load_id,
        file_id,
        superseded_by_file_id,
        source_name,
        source_kind,

        ---------- strings
        path,
        format,
        content_sha256,
        status,
        reason,
        detail,

        ---------- numerics
        size_bytes,
        records_read,
        records_loaded,
        records_rejected,
        load_seconds,

        ---------- timestamps
        modified_at,
        loaded_at
    from source

)

select * from renamed
