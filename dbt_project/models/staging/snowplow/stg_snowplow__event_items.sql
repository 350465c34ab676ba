with

source as (

    select
        _file_id,
        _row_number,
        case when {{ is_json('contexts') }} then contexts end as valid_contexts,
        {{ not_blank('ti_sku') }} as ordered_sku,
        ti_name,
        ti_category,
        ti_price,
        ti_quantity
    from {{ source('raw', 'snowplow_events') }}

),

products as (

    select
        _file_id,
        _row_number,
        ordered_sku,
        {{ elements_with_position(
            json_elements_with_prefix(
                'valid_contexts', '$.data', '$.schema',
                'iglu:com.snowplowanalytics.snowplow.ecommerce/product/'
            )
        ) }}
    from source

),

items as (

    -- the item of a classic order is an event of its own
    select
        _file_id,
        _row_number,
        1 as item_position,
        ordered_sku as sku,
        ti_name as item_name,
        ti_category as category,
        cast(null as varchar) as brand,
        ti_price as price,
        ti_quantity as quantity
    from source
    where ordered_sku is not null

    union all

    select
        _file_id,
        _row_number,
        element_position + case when ordered_sku is null then 0 else 1 end as item_position,
        {{ json_text('element', '$.data.id') }} as sku,
        {{ json_text('element', '$.data.name') }} as item_name,
        {{ json_text('element', '$.data.category') }} as category,
        {{ json_text('element', '$.data.brand') }} as brand,
        {{ json_text('element', '$.data.price') }} as price,
        {{ json_text('element', '$.data.quantity') }} as quantity
    from products

),

renamed as (

    select
        ---------- ids
        _file_id as file_id,
        _row_number as row_number,
        item_position,
        {{ not_blank('sku') }} as item_id,

        ---------- strings
        {{ not_blank('item_name') }} as item_name,
        {{ not_blank('category') }} as item_category,
        {{ not_blank('brand') }} as item_brand,

        ---------- numerics
        try_cast(price as decimal(18, 4)) as price,
        try_cast(quantity as bigint) as quantity,
        cast(null as decimal(18, 4)) as revenue
    from items

)

select * from renamed
