with

source as (

    select
        _file_id,
        _row_number,
        {{ elements_with_position(
            json_elements_with_prefix(
                "case when " ~ is_json('contexts') ~ " then contexts end", '$.data', '$.schema',
                'iglu:com.snowplowanalytics.snowplow.ecommerce/product/'
            )
        ) }}
    from {{ source('raw', 'snowplow_events') }}

),

renamed as (

    select
        ---------- ids
        _file_id as file_id,
        _row_number as row_number,
        element_position as item_position,
        {{ not_blank(json_text('element', '$.data.id')) }} as item_id,

        ---------- strings
        {{ not_blank(json_text('element', '$.data.name')) }} as item_name,
        {{ not_blank(json_text('element', '$.data.category')) }} as item_category,
        {{ not_blank(json_text('element', '$.data.brand')) }} as item_brand,

        ---------- numerics
        try_cast({{ json_text('element', '$.data.price') }} as decimal(18, 4)) as price,
        try_cast({{ json_text('element', '$.data.quantity') }} as bigint) as quantity,
        cast(null as decimal(18, 4)) as revenue
    from source

)

select * from renamed
