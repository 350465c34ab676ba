with

load_files as (

    select * from {{ ref('stg_loader__load_files') }}

),

-- what is known of somebody is no event, and is accounted for all the same
profiles as (

    select
        file_id,
        verdict,
        count(*) as record_count
    from {{ ref('int_profiles_judged') }}
    group by file_id, verdict

),

accepted as (

    select
        file_id,
        sum(record_count) as record_count
    from (
        select
            file_id,
            count(*) as record_count
        from {{ ref('int_events_accepted') }}
        group by file_id

        union all

        select
            file_id,
            record_count
        from profiles
        where verdict = 'accepted'
    ) as by_content
    group by file_id

),

rejected as (

    select
        file_id,
        count(*) as record_count
    from {{ ref('rejected_records') }}
    group by file_id

),

replayed as (

    select
        file_id,
        count(*) as record_count
    from {{ ref('stg_loader__replayed_records') }}
    group by file_id

),

duplicates as (

    select
        file_id,
        sum(record_count) as record_count
    from (
        select
            file_id,
            count(*) as record_count
        from {{ ref('duplicate_events') }}
        group by file_id

        union all

        select
            file_id,
            record_count
        from profiles
        where verdict = 'repeated'
    ) as by_content
    group by file_id

)

select
    load_files.load_id,
    load_files.file_id,
    load_files.source_name,
    load_files.source_kind,
    load_files.path,
    load_files.content_sha256,
    load_files.size_bytes,
    load_files.modified_at,
    case
        when load_files.superseded_by_file_id is not null then 'superseded'
        else load_files.status
    end as status,
    load_files.reason,
    load_files.detail,
    load_files.records_read,
    {% set is_live = "load_files.status = 'loaded' and load_files.superseded_by_file_id is null" -%}
    case when {{ is_live }} then cast(coalesce(accepted.record_count, 0) as bigint) else 0 end
        as records_accepted,
    case when {{ is_live }} then coalesce(rejected.record_count, 0) else 0 end
        as records_rejected,
    case when {{ is_live }} then cast(coalesce(duplicates.record_count, 0) as bigint) else 0 end
        as records_duplicate,
    case
        when load_files.superseded_by_file_id is not null then load_files.records_read else 0
    end as records_superseded,
    case when {{ is_live }} then coalesce(replayed.record_count, 0) else 0 end
        as records_replayed,
    load_files.superseded_by_file_id,
    load_files.loaded_at,
    load_files.load_seconds
from load_files
left join accepted on load_files.file_id = accepted.file_id
left join rejected on load_files.file_id = rejected.file_id
left join replayed on load_files.file_id = replayed.file_id
left join duplicates on load_files.file_id = duplicates.file_id
