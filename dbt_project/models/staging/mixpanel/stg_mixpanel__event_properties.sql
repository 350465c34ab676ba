with

source as (

    select
        *,
        {{ json_struct('properties', {
            'product_id': 'VARCHAR', 'Product ID': 'VARCHAR'
        }) }} as property
    from {{ source('raw', 'mixpanel_events') }}

),

with_item as (

    select
        *,
        coalesce(
            {{ not_blank('property.product_id') }},
            {{ not_blank('property."Product ID"') }}
        ) as product_id
    from source

),

renamed as (

    select
        ---------- ids
        _file_id as file_id,
        _row_number as row_number,

        ---------- strings
        {{ json_member_names('properties') }} as property_names,
        {{ json_member_values('properties') }} as property_values,
        -- an event about one product is its item
        case
            when product_id is not null
                then {{ json_from({'items': json_list(['product_id'])}) }}
        end as untyped_properties
    from with_item

)

select * from renamed
