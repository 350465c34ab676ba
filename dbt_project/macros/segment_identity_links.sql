{#- From `calls`, calls of the Segment protocol, to `renamed`, the ids that an alias call links. #}
{% macro segment_identity_links() %}
renamed as (

    select
        _file_id as file_id,
        _row_number as row_number,
        {{ not_blank('call_user_id') }} as identifier,
        false as is_anonymous
    from calls

    union all

    select
        _file_id as file_id,
        _row_number as row_number,
        {{ not_blank('call_previous_id') }} as identifier,
        false as is_anonymous
    from calls

)
{% endmacro %}
