with

source as (

    select
        *,
        {{ json_struct('properties', {'product_id': 'VARCHAR'}) }} as property
    from {{ source('raw', 'posthog_events') }}

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
            when {{ not_blank('property.product_id') }} is not null
                then {{ json_from({'items': json_list(['property.product_id'])}) }}
        end as untyped_properties
    from source

)

select * from renamed
