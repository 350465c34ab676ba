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
        cast({{ json_of_keyed_list('event_params') }} as json) as event_properties,
        -- items stand beside the parameters
        case
            when {{ has_elements('items') }}
                then {{ json_from({'items': json_of('items')}) }}
        end as untyped_properties
    from source

)

select * from renamed
