with

source as (

    select * from {{ source('raw', 'generic_events') }}
    where {{ not_blank('item_id') }} is not null

),

renamed as (

    select
        ---------- ids
        _file_id as file_id,
        _row_number as row_number,
        1 as item_position,
        {{ not_blank('item_id') }} as item_id,

        ---------- strings
        cast(null as varchar) as item_name,
        cast(null as varchar) as item_category,
        cast(null as varchar) as item_brand,

        ---------- numerics
        cast(null as decimal(18, 4)) as price,
        cast(null as bigint) as quantity,
        cast(null as decimal(18, 4)) as revenue
    from source

)

select * from renamed
