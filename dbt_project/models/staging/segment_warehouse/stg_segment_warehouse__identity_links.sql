with

calls as (

    select
        _file_id,
        _row_number,
        user_id as call_user_id,
        {{ json_text('_other_fields', '$.previous_id') }} as call_previous_id
    from {{ source('raw', 'segment_warehouse_rows') }}
    where _table = 'aliases' and event is null

),

{{ segment_identity_links() }}

select * from renamed
