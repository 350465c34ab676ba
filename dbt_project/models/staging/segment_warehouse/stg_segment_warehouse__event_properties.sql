with

source as (

    select
        *,
        {{ json_struct('_other_fields', {'product_id': 'VARCHAR'}) }} as property_fields
    from {{ source('raw', 'segment_warehouse_rows') }}

),

renamed as (

    select
        ---------- ids
        _file_id as file_id,
        _row_number as row_number,

        ---------- strings
        -- a column of a property looks like one of the context, so none is known to be unexpected
        {{ json_member_names('cast(null as json)') }} as property_names,
        {{ json_member_values('cast(null as json)') }} as property_values,
        -- CSV has no types
        {{ json_merged(
            json_from({
                'page_url': 'context_page_url',
                'page_title': 'context_page_title',
                'referrer_url': 'context_page_referrer',
                'items': "case when " ~ not_blank('property_fields.product_id')
                    ~ " is not null then " ~ json_list(['property_fields.product_id']) ~ " end",
            }),
            '_other_fields',
        ) }} as untyped_properties
    from source

)

select * from renamed
