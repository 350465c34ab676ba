with

source as (

    select
        _file_id,
        _row_number,
        _other_fields,
        {{ json_struct('_other_fields', {'products': 'VARCHAR'}) }} as property_fields
    from {{ source('raw', 'segment_warehouse_rows') }}

),

-- a list is written into a column as its JSON text
calls as (

    select
        _file_id,
        _row_number,
        case
            when {{ is_json('property_fields.products') }}
                then cast('{"products":' || property_fields.products || '}' as json)
            else _other_fields
        end as properties
    from source

),

{{ segment_items() }}

select * from renamed
