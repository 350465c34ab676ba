with

source as (

    select
        _file_id,
        _row_number,
        event,
        {{ json_struct('properties', {
            'distinct_id': 'VARCHAR', 'alias': 'VARCHAR', '$distinct_ids': ['VARCHAR'],
            '$identified_id': 'VARCHAR', '$anon_id': 'VARCHAR',
        }) }} as property
    from {{ source('raw', 'mixpanel_events') }}
    where event in ('$create_alias', '$merge', '$identify')

),

merged as (

    select
        _file_id,
        _row_number,
        {{ elements_with_position('property."$distinct_ids"') }}
    from source
    where event = '$merge'

),

ids as (

    select
        _file_id,
        _row_number,
        element as id,
        false as is_anonymous
    from merged

    union all

    select
        _file_id,
        _row_number,
        case when event = '$identify' then property."$identified_id" else property.distinct_id end
            as id,
        false as is_anonymous
    from source
    where event != '$merge'

    union all

    select
        _file_id,
        _row_number,
        case when event = '$identify' then property."$anon_id" else property.alias end as id,
        event = '$identify' as is_anonymous
    from source
    where event != '$merge'

),

renamed as (

    select
        _file_id as file_id,
        _row_number as row_number,
        -- as the device is called in events: without the prefix that says that it is one
        {{ not_blank("case when id like '$device:%' then substr(id, 9) else id end") }}
            as identifier,
        is_anonymous or coalesce(id like '$device:%', false) as is_anonymous
    from ids

)

select * from renamed
