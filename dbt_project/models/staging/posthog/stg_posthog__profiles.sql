with

source as (

    select * from {{ source('raw', 'posthog_persons') }}

),

renamed as (

    select
        ---------- ids
        -- the versions stand for the content: JSON lines and Parquet write the same one differently
        {{ stable_id([
            '_source_name', 'team_id', 'distinct_id', 'person_id', 'person_distinct_id_version',
            'person_version', "lower(is_deleted) in ('true', '1')",
        ]) }} as profile_id,
        _source_name as source_name,
        {{ not_blank('distinct_id') }} as identifier,
        {{ not_blank('person_id') }} as person_key,
        _file_id as file_id,
        _row_number as row_number,

        ---------- strings
        case
            when {{ not_blank('distinct_id') }} is null then 'missing_identifier'
        end as rejection_reason,
        {{ json_from({
            'person_version': 'person_version',
            'properties': 'properties',
            'created_at': 'created_at',
            'other_fields': '_other_fields',
        }) }} as properties,

        ---------- numerics
        person_distinct_id_version as version,

        ---------- booleans
        coalesce(lower(is_deleted) in ('true', '1'), false) as is_deleted,

        ---------- timestamps
        {{ parse_timestamp('_inserted_at', "'UTC'") }} as profiled_at,
        _loaded_at as loaded_at
    from source

)

select * from renamed
