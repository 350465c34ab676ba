{#- From `calls` with JSON `properties`, as the Segment protocol has them, to `renamed`, the items. #}
{% macro segment_items() %}
with_product_fields as (

    select
        _file_id,
        _row_number,
        {{ json_struct('properties', {'products': ['JSON'], 'product_id': 'VARCHAR'}) }}
            as property_fields,
        properties
    from calls

),

-- an order or a cart lists its products; an event about one product is one itself
products as (

    select
        _file_id,
        _row_number,
        {{ elements_with_position('property_fields.products') }}
    from with_product_fields

    union all

    select
        _file_id,
        _row_number,
        properties as element,
        1 as element_position
    from with_product_fields
    where
        property_fields.products is null
        and {{ not_blank('property_fields.product_id') }} is not null

),

with_fields as (

    select
        *,
        {{ json_struct('element', {
            'product_id': 'VARCHAR', 'sku': 'VARCHAR', 'name': 'VARCHAR', 'category': 'VARCHAR',
            'brand': 'VARCHAR', 'price': 'VARCHAR', 'quantity': 'VARCHAR',
        }) }} as product
    from products

),

renamed as (

    select
        ---------- ids
        _file_id as file_id,
        _row_number as row_number,
        element_position as item_position,
        coalesce({{ not_blank('product.product_id') }}, {{ not_blank('product.sku') }}) as item_id,

        ---------- strings
        {{ not_blank('product.name') }} as item_name,
        {{ not_blank('product.category') }} as item_category,
        {{ not_blank('product.brand') }} as item_brand,

        ---------- numerics
        try_cast(product.price as decimal(18, 4)) as price,
        try_cast(try_cast(product.quantity as decimal(18, 3)) as bigint) as quantity,
        cast(null as decimal(18, 4)) as revenue
    from with_fields

)
{% endmacro %}
