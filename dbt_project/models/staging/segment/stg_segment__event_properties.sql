with

source as (

    select
        *,
        {{ json_struct('properties', {'product_id': 'VARCHAR'}) }} as property_fields,
        {{ json_struct('context', {
            'page': {'url': 'VARCHAR', 'title': 'VARCHAR', 'referrer': 'VARCHAR'}
        }) }} as context_fields
    from {{ source('raw', 'segment_calls') }}

),

renamed as (

    select
        ---------- ids
        _file_id as file_id,
        _row_number as row_number,

        ---------- strings
        {{ json_member_names('properties') }} as property_names,
        {{ json_member_values('properties') }} as property_values,
        -- a page or screen call may be named beside its properties; an event about one product is
        -- its item
        {{ json_from({
            'name': '"name"',
            'page_url': 'context_fields.page.url',
            'page_title': 'context_fields.page.title',
            'referrer_url': 'context_fields.page.referrer',
            'items': "case when " ~ not_blank('property_fields.product_id') ~ " is not null then "
                ~ json_list(['property_fields.product_id']) ~ " end",
        }) }} as untyped_properties
    from source

)

select * from renamed
