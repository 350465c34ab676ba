{{ config(pre_hook="{{ judge_beforehand() }}", post_hook="{{ join_other_parts() }}") }}
{%- set split_on = var('session_split_on') -%}
{%- set timeline = {
    'of': ['verdict', 'source_name', 'device_id', 'session_thread'],
    'ordered_by': ['occurred_at', 'event_order nulls last', 'event_id'],
} -%}
{%- set user_place = 'case when user_id is not null then place end' -%}
{%- set campaign_place = 'case when ' ~ stable_campaign() ~ ' is not null then place end' -%}
{%- set carried = [
    'event_id', 'source_name', 'occurred_at', 'event_date', 'event_order', 'device_id', 'user_id',
    'session_thread', 'row_number',
] + (['utm_source', 'utm_medium', 'utm_campaign'] if 'campaign_change' in split_on else []) -%}
{%- set needed = prefixed('told', carried) + [
    'told.rejection_reason is not null as is_rejected',
    "case when told.event_name in ('page_view', 'screen_view') then 1 else 0 end as view_count",
] -%}
{#- what stored rows are asked for, too; where there are none, it need not be held in memory -#}
{%- set of_both = 'judged' if is_increment() else 'arrived' -%}
{#- of all records, each carries a number instead of an id that takes 50 bytes -#}
{%- set file = 'file_id' if is_increment() else 'file_number' -%}
{%- set files = changed_files(ref('int_files_loaded')) %}
{%- set step = step_of_build(ref('int_files_loaded')) %}
-- the linter knows no window frame without an order, and no reason to join to the right
-- noqa: disable=PRS,CV08
-- Only the columns that judging needs are sorted, once, each device's events one after the other;
-- from then on every step only looks back along that order. A sort per step cost two and a half
-- times as much, and carrying all columns through the steps twice as much.
-- An increment does so with the records that came and the stored ones that they touch, and returns
-- of the latter those that come out otherwise.
-- A large build from nothing takes steps (macros/steps_of_build.sql).
with

{% if not is_increment() -%}
files as (

    select * from {{ ref('int_files_loaded') }}

),

{% endif -%}
{% if step.judged -%}
judged as (

    select verdicts.*
    from {{ step.judged }} as verdicts
    inner join files on verdicts.file_number = files.file_number
    where {{ in_part('files.file_id', 'verdicts.row_number', step.part) }}

)
{%- else -%}
{% if is_increment() -%}
{{ touched_records(
    this, ref('int_events_named'), files, carried + ['file_id', 'event_name', 'rejection_reason']
) }}
records as (

    select
        told.file_id,
        {{ needed | join(',\n        ') }},
        {%- for column in judged_columns() %}
        null as stored_{{ column }},
        {%- endfor %}
        true as is_new
    from arrived as told

    {% for stored in ['competing', 'neighbours'] %}
    union all

    select
        told.file_id,
        {{ needed | join(',\n        ') }},
        {{ prefixed('told', judged_columns()) | join(',\n        ') }},
        false as is_new
    from {{ stored }} as told
    {% endfor %}
),

candidates as (

    select
        {{ event_preference_columns() | join(',\n        ') }},
        content_id
    from competing

    union all

    select
        {{ event_preference_columns() | join(',\n        ') }},
        {{ stable_id(all_an_event_says()) }} as content_id
    from arrived
    where rejection_reason is null

),
{%- else -%}
records as {{ computed_once() }} (

    select
        files.file_number,
        {{ needed | join(',\n        ') }}
    from {{ ref('int_events_named') }} as told
    inner join files on told.file_id = files.file_id

),

repeated_ids as (

    select event_id
    from records
    where not is_rejected
    group by event_id
    having count(*) > 1

),

repeated_records as (

    select
        event_id,
        file_number,
        row_number
    from records
    where
        not is_rejected
        and event_id in (select repeated_ids.event_id from repeated_ids)

),

candidates as (

    select
        repeated_records.event_id,
        repeated_records.file_number,
        repeated_records.row_number,
        arrived.is_partial,
        arrived.revised_at,
        arrived.received_at,
        {{ stable_id(prefixed('arrived', all_an_event_says())) }} as content_id
    from {{ ref('int_events_named') }} as arrived
    inner join files on arrived.file_id = files.file_id
    inner join repeated_records
        on
            files.file_number = repeated_records.file_number
            and arrived.row_number = repeated_records.row_number

),
{%- endif %}

ranked as (

    select
        *,
        -- what says more wins, then what was revised last, then first received; then what neither
        -- the order of loading nor the cutting into files decides
        row_number() over (
            partition by event_id
            order by
                is_partial asc,
                revised_at desc nulls last,
                received_at asc nulls last,
                content_id asc,
                {{ file }} asc,
                row_number asc
        ) as preference
    from candidates

),

-- an event id stands for one event: of the records that carry it, all but one are outdone
outdone as (

    select
        {{ file }},
        row_number
    from ranked
    where preference > 1

),

in_order as (

    select
        records.*,
        {%- if is_increment() %}
        undisturbed.undisturbed_from,
        {%- endif %}
        case
            when records.is_rejected then 'rejected'
            when outdone.row_number is not null then 'repeated'
            else 'accepted'
        end as verdict
    from records
    left join outdone
        on records.{{ file }} = outdone.{{ file }} and records.row_number = outdone.row_number
    {%- if is_increment() %}
    left join undisturbed
        on
            records.source_name = undisturbed.source_name
            and records.device_id = undisturbed.device_id
            and records.session_thread is not distinct from undisturbed.session_thread
    {%- endif %}
    order by
        records.device_id,
        verdict,
        records.source_name,
        records.session_thread,
        records.occurred_at,
        records.event_order nulls last,
        records.event_id

),

with_previous_event as (

    select
        *,
        {{ row_position(timeline) }} as place,
        {{ previous('occurred_at', timeline) }} as previous_occurred_at,
        {{ previous('event_date', timeline) }} as previous_event_date,
        {%- for column in timeline['of'] %}
        {{ 'and' if not loop.first }}
        ({{ column }} is not distinct from {{ previous(column, timeline) }})
        {%- endfor %} as goes_on
    from in_order

),

-- a pause, or another day where that is asked for, ends a session whatever else happens
with_pause as (

    select
        *,
        verdict = 'accepted' and device_id is not null as is_in_session,
        case
            when verdict != 'accepted' or device_id is null then null
            when not goes_on and session_thread is not null then 'tracker'
            {%- if is_increment() %}
            when not goes_on and undisturbed_from < occurred_at then 'inactivity'
            {%- endif %}
            when not goes_on then 'first_event'
            when
                session_thread is null
                and {{ micros_between('previous_occurred_at', 'occurred_at') }}
                > cast({{ var('session_timeout_minutes') }} as bigint) * 60000000 then 'inactivity'
            {%- if 'midnight' in split_on %}
            when event_date != previous_event_date then 'midnight'
            {%- endif %}
        end as pause_reason
    from with_previous_event

),

with_latest as (

    select
        *,
        {{ latest('case when pause_reason is not null then place end', 'place', timeline) }}
            as resumed_place,
        {%- if 'campaign_change' in split_on %}
        {{ stable_campaign() }} as campaign,
        {{ latest(stable_campaign(), 'place', timeline) }} as latest_campaign,
        {{ latest(campaign_place, 'place', timeline) }}
            as latest_campaign_place,
        {%- endif %}
        {{ latest('user_id', 'place', timeline) }} as latest_user_id,
        {{ latest(user_place, 'place', timeline) }}
            as latest_user_place
    from with_pause

),

with_previous_user as (

    select
        *,
        {%- if 'campaign_change' in split_on %}
        {{ previous('latest_campaign', timeline) }} as previous_campaign,
        {{ previous('latest_campaign_place', timeline) }}
            as previous_campaign_place,
        {%- endif %}
        {{ previous('latest_user_id', timeline) }} as previous_user_id,
        {{ previous('latest_user_place', timeline) }} as previous_user_place
    from with_latest

),

with_stretch_reason as (

    select
        *,
        case
            when not is_in_session then null
            when pause_reason is not null then pause_reason
            -- who was there before the pause is no longer: a login in a new session splits nothing
            when user_id != previous_user_id and previous_user_place >= resumed_place
                then 'user_change'
            {%- if 'campaign_change' in split_on %}
            when
                campaign != previous_campaign
                and previous_campaign_place >= resumed_place
                then 'campaign_change'
            {%- endif %}
        end as stretch_reason
    from with_previous_user

),

with_stretch as (

    select
        *,
        {{ latest('case when stretch_reason is not null then occurred_at end', 'place', timeline) }}
            as stretch_started_at
    from with_stretch_reason

),

with_piece as (

    select
        *,
        -- a stretch that is too long is cut at fixed distances from its start; the event at the
        -- very distance still belongs before the cut
        case
            when is_in_session
                then greatest(cast(ceil(
                        {{ micros_between('stretch_started_at', 'occurred_at') }}
                        / ({{ var('session_max_hours') }} * 3600000000)
                    ) as bigint) - 1, 0)
        end as piece_number
    from with_stretch

),

with_beginning as (

    select
        *,
        is_in_session
        and (
            stretch_reason is not null
            or piece_number != {{ previous('piece_number', timeline) }}
        ) as begins_session
    from with_piece

),

with_session as (

    select
        *,
        -- a session is named by its first event: never by a rank, which a late event would shift
        case
            when is_in_session
                then {{ latest('case when begins_session then event_id end', 'place', timeline) }}
        end as session_id,
        {{ latest('case when begins_session then place end', 'place', timeline) }}
            as session_place,
        {{ total_so_far('view_count', timeline) }} as views_so_far
    from with_beginning

),

with_page_view_number as (

    select
        *,
        case
            when is_in_session
                then views_so_far
                    - {{ latest(
                        'case when begins_session then views_so_far - view_count end',
                        'place', timeline
                    ) }}
        end as session_page_view_number
    from with_session

),

judged as (

    select
        *,
        case
            when begins_session
                then case when piece_number > 0 then 'max_length' else stretch_reason end
        end as split_reason,
        case when session_id is not null then place - session_place + 1 end
            as session_event_number
    from with_page_view_number

)
{%- endif %}

{% if step.judges_alone -%}
select
    event_id,
    {{ judged_columns() | join(',\n    ') }},
    file_number,
    row_number
from judged
{%- else -%}
select
    judged.event_id,
    judged.verdict,
    arrived.rejection_reason,
    case when judged.verdict = 'rejected' then arrived.occurred_at_text end
        as rejected_occurred_at_text,
    arrived.source_name,
    arrived.source_kind,
    arrived.event_name,
    arrived.source_event_name,
    arrived.occurred_at,
    arrived.received_at,
    arrived.loaded_at,
    {{ of_both }}.event_date,
    arrived.event_order,
    {{ of_both }}.device_id,
    arrived.user_id,
    arrived.session_thread,
    judged.session_id,
    judged.session_event_number,
    judged.session_page_view_number,
    judged.split_reason,
    arrived.platform,
    arrived.page_url,
    arrived.page_host,
    arrived.page_path,
    arrived.page_title,
    arrived.page_view_id,
    arrived.referrer_url,
    arrived.referrer_host,
    arrived.utm_source,
    arrived.utm_medium,
    arrived.utm_campaign,
    arrived.utm_term,
    arrived.utm_content,
    arrived.click_id,
    arrived.click_id_type,
    arrived.user_agent,
    arrived.device_category,
    arrived.browser,
    arrived.operating_system,
    arrived.language,
    arrived.country,
    arrived.region,
    arrived.city,
    arrived.is_bot,
    arrived.bot_rules,
    arrived.bot_category,
    arrived.consent_analytics,
    arrived.consent_ads,
    arrived.order_id,
    arrived.revenue,
    arrived.currency,
    arrived.item_id,
    arrived.engaged_seconds,
    arrived.scroll_percent,
    arrived.properties,
    arrived.is_partial,
    arrived.revised_at,
    arrived.properties_hash,
    arrived.is_engaged_by_tracker,
    {{ of_both }}.file_id,
    judged.row_number
-- the right side is held in memory, the left, which is wide, streams by: as a common table
-- expression it would be kept, too
{% if is_increment() -%}
from arrived
right join judged
    on arrived.file_id = judged.file_id and arrived.row_number = judged.row_number
where
    judged.is_new
    {%- for column in judged_columns() %}
    or judged.{{ column }} is distinct from judged.stored_{{ column }}
    {%- endfor %}
{%- else -%}
from {{ ref('int_events_named') }} as arrived
inner join files on arrived.file_id = files.file_id
right join judged
    on
        files.file_number = judged.file_number
        and arrived.row_number = judged.row_number
        and {{ in_part('arrived.file_id', 'arrived.row_number', step.part) }}
{%- endif %}
{%- endif %}
