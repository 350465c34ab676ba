with

source as (

    select * from {{ source('raw', 'ga4_events') }}

),

renamed as (

    select
        ---------- ids
        _file_id as file_id,
        _row_number as row_number,

        ---------- strings
        {{ keys_of('event_params') }} as property_names,
        {{ json_values_of('event_params') }} as property_values,
        -- items stand beside the parameters
        case
            when {{ has_elements('items') }}
                then {{ json_from({'items': json_of('items')}) }}
        end as untyped_properties
    from source

)

select * from renamed
