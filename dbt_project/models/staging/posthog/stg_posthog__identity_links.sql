-- what the events themselves tell; later merges stand in the export of persons (see profiles)
with

source as (

    select
        _file_id,
        _row_number,
        event,
        {{ not_blank('distinct_id') }} as distinct_id,
        {{ json_struct('properties', {'alias': 'VARCHAR', '$anon_distinct_id': 'VARCHAR'}) }}
            as fields
    from {{ source('raw', 'posthog_events') }}
    where event in ('$create_alias', '$merge_dangerously', '$identify')

),

renamed as (

    select
        _file_id as file_id,
        _row_number as row_number,
        distinct_id as identifier,
        false as is_anonymous
    from source

    union all

    select
        _file_id as file_id,
        _row_number as row_number,
        {{ not_blank('fields."$anon_distinct_id"') }} as identifier,
        true as is_anonymous
    from source
    where event = '$identify'

    union all

    select
        _file_id as file_id,
        _row_number as row_number,
        {{ not_blank('fields.alias') }} as identifier,
        false as is_anonymous
    from source
    where event != '$identify'

)

select * from renamed
