with

source as (

    select * from {{ source('loader', 'replayed_records') }}

),

renamed as (

    select
        ---------- ids
        file_id,
        source_name,
        row_number,

        ---------- strings
        reason,

        ---------- timestamps
        rejected_at,
        replayed_at
    from source

)

select * from renamed
