with

source as (

    select * from {{ source('raw', 'access_log_requests') }}

),

renamed as (

    select
        ---------- ids
        _file_id as file_id,
        _row_number as row_number,

        ---------- strings
        {{ json_member_names('_other_fields') }} as property_names,
        {{ json_member_values('_other_fields') }} as property_values,
        {{ json_from({
            'page_url': "coalesce(url, " ~ extract_match('request', "'^[A-Z]+ (\\S+)'") ~ ")",
            'referrer_url': "nullif(" ~ not_blank('referer') ~ ", '-')",
            'method': "coalesce(method, " ~ extract_match('request', "'^([A-Z]+) \\S+'") ~ ")",
            'status': 'response',
            'bytes': 'bytes',
        }) }} as untyped_properties
    from source

)

select * from renamed
