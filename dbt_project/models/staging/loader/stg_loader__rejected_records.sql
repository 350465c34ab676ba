with

source as (

    select * from {{ source('loader', 'rejected_records') }}

),

renamed as (

    select
        ---------- ids
        file_id,
        source_name,
        row_number,
        line_number,
        byte_offset,

        ---------- strings
        reason,
        detail,
        record_text,
        record_base64,

        ---------- timestamps
        rejected_at
    from source

)

select * from renamed
