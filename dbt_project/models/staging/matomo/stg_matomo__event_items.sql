with

source as (

    select
        _file_id,
        _row_number,
        {{ json_struct(json_from({'itemDetails': '"itemDetails"'}), {'itemDetails': ['JSON']}) }}
            as details,
        productViewSku,
        productViewName,
        productViewPrice,
        productViewCategories
    from {{ source('raw', 'matomo_actions') }}

),

-- an order or a cart lists its items
listed as (

    select
        _file_id,
        _row_number,
        {{ elements_with_position('details."itemDetails"') }}
    from source

),

with_fields as (

    select
        *,
        {{ json_struct('element', {
            'itemSKU': 'VARCHAR', 'itemName': 'VARCHAR', 'itemCategory': 'VARCHAR',
            'categories': ['VARCHAR'], 'price': 'VARCHAR', 'quantity': 'VARCHAR',
        }) }} as item
    from listed

),

items as (

    select
        _file_id,
        _row_number,
        element_position,
        item.itemSKU as sku,
        item.itemName as item_name,
        coalesce({{ not_blank('item."itemCategory"') }}, {{ first_element('item.categories') }})
            as category,
        item.price,
        item.quantity
    from with_fields

    union all

    -- the page of a product is about one
    select
        _file_id,
        _row_number,
        1 as element_position,
        productViewSku as sku,
        productViewName as item_name,
        {{ json_text('"productViewCategories"', '$[0]') }} as category,
        productViewPrice as price,
        cast(null as varchar) as quantity
    from source
    where {{ not_blank('"productViewSku"') }} is not null

),

renamed as (

    select
        ---------- ids
        _file_id as file_id,
        _row_number as row_number,
        element_position as item_position,
        {{ not_blank('sku') }} as item_id,

        ---------- strings
        {{ not_blank('item_name') }} as item_name,
        {{ not_blank('category') }} as item_category,
        cast(null as varchar) as item_brand,

        ---------- numerics
        try_cast(price as decimal(18, 4)) as price,
        try_cast(try_cast(quantity as decimal(18, 3)) as bigint) as quantity,
        cast(null as decimal(18, 4)) as revenue
    from items

)

select * from renamed
