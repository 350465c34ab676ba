with

calls as (

    select
        _file_id,
        _row_number,
        coalesce({{ not_blank('userId') }}, {{ not_blank('user_id') }}) as call_user_id,
        previousId as call_previous_id
    from {{ source('raw', 'segment_calls') }}
    where lower({{ not_blank('"type"') }}) = 'alias'

),

{{ segment_identity_links() }}

select * from renamed
