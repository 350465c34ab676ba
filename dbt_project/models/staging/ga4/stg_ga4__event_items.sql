with

source as (

    select
        _file_id,
        _row_number,
        {{ elements_with_position('items') }}
    from {{ source('raw', 'ga4_events') }}

),

renamed as (

    select
        ---------- ids
        _file_id as file_id,
        _row_number as row_number,
        element_position as item_position,
        nullif({{ not_blank('element.item_id') }}, '(not set)') as item_id,

        ---------- strings
        nullif({{ not_blank('element.item_name') }}, '(not set)') as item_name,
        nullif({{ not_blank('element.item_category') }}, '(not set)') as item_category,
        nullif({{ not_blank('element.item_brand') }}, '(not set)') as item_brand,

        ---------- numerics
        try_cast(element.price as decimal(18, 4)) as price,
        element.quantity,
        try_cast(element.item_revenue as decimal(18, 4)) as revenue
    from source

)

select * from renamed
