with

source as (

    select * from {{ source('raw', 'generic_events') }}

),

renamed as (

    select
        ---------- ids
        _file_id as file_id,
        _row_number as row_number,

        ---------- strings
        {{ json_member_names('_other_fields') }} as property_names,
        {{ json_member_values('_other_fields') }} as property_values,
        -- a mapped field is loaded as text, whatever it was
        {{ json_from({
            'page_url': 'page_url',
            'page_title': 'page_title',
            'referrer_url': 'referrer_url',
            'order_id': 'order_id',
            'revenue': 'revenue',
            'currency': 'currency',
            'item_id': 'item_id',
            'items': "case when " ~ not_blank('item_id') ~ " is not null then "
                ~ json_list(['item_id']) ~ " end",
            'engaged_seconds': 'engaged_seconds',
            'scroll_percent': 'scroll_percent',
        }) }} as untyped_properties
    from source

)

select * from renamed
