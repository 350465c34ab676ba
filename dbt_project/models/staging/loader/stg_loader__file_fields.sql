with

source as (

    select * from {{ source('loader', 'file_fields') }}

),

renamed as (

    select
        ---------- ids
        file_id,
        source_name,

        ---------- strings
        field as field_name,
        data_type,

        ---------- numerics
        record_count,
        file_record_count
    from source

)

select * from renamed
