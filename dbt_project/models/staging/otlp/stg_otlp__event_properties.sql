with

source as (

    select
        *,
        {{ json_struct(json_of_tagged_value('body'), {
            'url': 'VARCHAR', 'title': 'VARCHAR', 'referrer': 'VARCHAR',
        }) }} as in_body,
        {{ json_of_tagged_pairs('attributes') }} as attributes_sent
    from {{ source('raw', 'otlp_log_records') }}

),

renamed as (

    select
        ---------- ids
        _file_id as file_id,
        _row_number as row_number,

        ---------- strings
        {{ json_member_names('attributes_sent') }} as property_names,
        {{ json_member_values('attributes_sent') }} as property_values,
        -- older libraries tell of the page in the body
        {{ json_from({
            'page_url': 'in_body.url',
            'page_title': 'in_body.title',
            'referrer_url': 'in_body.referrer',
        }) }} as untyped_properties
    from source

)

select * from renamed
