with

source as (

    select * from {{ source('raw', 'generic_events') }}
    where {{ not_blank('previous_id') }} is not null

),

renamed as (

    select
        _file_id as file_id,
        _row_number as row_number,
        coalesce({{ not_blank('user_id') }}, {{ not_blank('device_id') }}) as identifier,
        false as is_anonymous
    from source

    union all

    select
        _file_id as file_id,
        _row_number as row_number,
        {{ not_blank('previous_id') }} as identifier,
        false as is_anonymous
    from source

)

select * from renamed
