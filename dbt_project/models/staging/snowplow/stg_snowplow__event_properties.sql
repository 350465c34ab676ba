{%- set commerce = 'iglu:com.snowplowanalytics.snowplow.ecommerce/' -%}
with

source as (

    select
        *,
        -- a context that is no JSON rejects the record; nothing below may trip over it
        case when {{ is_json('contexts') }} then contexts end as valid_contexts,
        case when {{ is_json('unstruct_event') }} then unstruct_event end as valid_unstruct_event
    from {{ source('raw', 'snowplow_events') }}

),

with_entities as (

    select
        *,
        {{ json_elements_with_prefix(
            'valid_contexts', '$.data', '$.schema', commerce ~ 'product/'
        ) }} as products,
        {{ first_element(json_elements_with_prefix(
            'valid_contexts', '$.data', '$.schema', commerce ~ 'transaction/'
        )) }} as commerce_transaction,
        {{ first_element(json_elements_with_prefix(
            'valid_contexts', '$.data', '$.schema', commerce ~ 'refund/'
        )) }} as commerce_refund,
        {{ first_element(json_elements_with_prefix(
            'valid_contexts', '$.data', '$.schema', commerce ~ 'cart/'
        )) }} as commerce_cart
    from source

),

-- the narrower thing says what the event is about: a transaction before its cart
with_merged_entities as (

    select
        *,
        {{ json_merged(
            json_merged(
                json_text('commerce_cart', '$.data'), json_text('commerce_refund', '$.data')
            ),
            json_merged(
                json_text('commerce_transaction', '$.data'),
                json_text('valid_unstruct_event', '$.data.data')
            )
        ) }} as entity_properties
    from with_entities

),

renamed as (

    select
        ---------- ids
        _file_id as file_id,
        _row_number as row_number,

        ---------- strings
        -- the pipeline has checked events against their schemas, and writes numbers as text
        {{ json_member_names('cast(null as json)') }} as property_names,
        {{ json_member_values('cast(null as json)') }} as property_values,
        {{ json_merged(json_from({
            'page_url': 'page_url',
            'page_title': 'page_title',
            'referrer_url': 'page_referrer',
            'order_id': 'coalesce(tr_orderid, ti_orderid)',
            'revenue': 'tr_total',
            'currency': 'coalesce(tr_currency, ti_currency)',
            'items': "case when " ~ first_element('products') ~ " is not null then "
                ~ json_of('products') ~ " end",
            'se_category': 'se_category',
            'se_label': 'se_label',
            'se_property': 'se_property',
            'se_value': 'se_value',
        }), 'entity_properties') }} as untyped_properties
    from with_merged_entities

)

select * from renamed
