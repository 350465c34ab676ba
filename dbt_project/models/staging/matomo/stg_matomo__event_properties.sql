with

source as (

    select * from {{ source('raw', 'matomo_actions') }}

),

renamed as (

    select
        ---------- ids
        _file_id as file_id,
        _row_number as row_number,

        ---------- strings
        {{ json_member_names('cast(null as json)') }} as property_names,
        {{ json_member_values('cast(null as json)') }} as property_values,
        -- the vendor's fields are loaded as text
        {{ json_from({
            'page_url': "case when \"type\" not in ('outlink', 'download') then url end",
            'link_url': "case when \"type\" in ('outlink', 'download') then url end",
            'page_title': '"pageTitle"',
            'referrer_url': '"referrerUrl"',
            'search_term': '"siteSearchKeyword"',
            'order_id': '"orderId"',
            'revenue': 'revenue',
            'currency': '"siteCurrency"',
            'items': '"itemDetails"',
            'event_category': '"eventCategory"',
            'event_label': '"eventName"',
            'value': '"eventValue"',
        }) }} as untyped_properties
    from source

)

select * from renamed
