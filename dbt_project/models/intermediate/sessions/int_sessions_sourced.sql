-- where a session came from: the first event that carries any evidence, read in the order
-- campaign parameters, click id, known referrer, other referrer; without any, direct
{%- set utm_medium -%}
        case
            -- who says no more than that a visit was direct says nothing
            when
                coalesce(session_events.utm_source, session_events.utm_campaign) is not null
                or lower(session_events.utm_medium) not in ('direct', '(none)', 'none')
                then session_events.utm_medium
        end
{%- endset %}
with

sessions as (

    select * from {{ ref('int_sessions_summarized') }}
    where {{ is_restated('session', 'session_id') }}

),

session_events as (

    select * from {{ ref('int_events_accepted') }}
    where
        session_id is not null
        and coalesce(utm_source, utm_medium, utm_campaign, click_id_type, referrer_host) is not null
        and {{ is_restated_event('session', var('session_max_hours')) }}

),

referrers as (

    select * from {{ ref('int_referrers_classified') }}

),

click_id_parameters as (

    select * from {{ ref('click_id_parameters') }}

),

source_categories as (

    select * from {{ ref('source_categories') }}

),

with_evidence as (

    select
        session_events.session_id,
        session_events.session_event_number,
        session_events.utm_source,
        {{ utm_medium }} as utm_medium,
        session_events.utm_campaign,
        session_events.utm_term,
        session_events.utm_content,
        session_events.click_id_type,
        referrers.referrer_host,
        referrers.referrer_medium,
        case
            when coalesce(
                    session_events.utm_source,
                    {{ utm_medium }},
                    session_events.utm_campaign
                ) is not null then 'campaign'
            when session_events.click_id_type is not null then 'click_id'
            when referrers.referrer_medium is not null then 'known_referrer'
            else 'other_referrer'
        end as evidence
    from session_events
    left join referrers as told
        on
            session_events.source_name = told.source_name
            and lower(session_events.utm_source) = told.referrer_host
            and session_events.page_host is not distinct from told.page_host
            and lower(session_events.utm_medium) = 'referral'
    left join referrers
        on
            session_events.source_name = referrers.source_name
            and session_events.referrer_host = referrers.referrer_host
            and session_events.page_host is not distinct from referrers.page_host
            and not referrers.is_internal
            and not referrers.is_ignored
            -- a log does not say which host was asked: after its first request, a referrer that
            -- is not known is the site itself
            and (
                session_events.page_host is not null
                or session_events.session_event_number = 1
                or referrers.referrer_medium is not null
            )
    where
        (
            coalesce(
                session_events.utm_source, {{ utm_medium }}, session_events.utm_campaign,
                session_events.click_id_type
            ) is not null
            or referrers.referrer_host is not null
        )
        -- a referral from one's own site, or from where a visitor paid or signed in, is no
        -- evidence, also where the tracker reports it as one
        and not coalesce(told.is_internal or told.is_ignored, false)

),

first_evidence as (

    select *
    from (
        select
            *,
            row_number() over (
                partition by session_id order by session_event_number
            ) as evidence_number
        from with_evidence
    ) as numbered
    where evidence_number = 1

),

sourced as (

    select
        sessions.session_id,
        coalesce(first_evidence.evidence, 'direct') as evidence,
        case first_evidence.evidence
            -- who tags a campaign alone has the click id say where it runs
            when 'campaign'
                then coalesce(
                        first_evidence.utm_source, click_id_parameters.implied_source, '(not set)'
                    )
            when 'click_id' then coalesce(click_id_parameters.implied_source, '(not set)')
            when 'known_referrer' then first_evidence.referrer_host
            when 'other_referrer' then first_evidence.referrer_host
            else '(direct)'
        end as traffic_source,
        case first_evidence.evidence
            when 'campaign'
                then coalesce(
                        first_evidence.utm_medium,
                        nullif(click_id_parameters.implied_medium, '*'),
                        case
                            when
                                first_evidence.utm_source is null
                                and click_id_parameters.implied_source is not null
                                then 'referral'
                        end,
                        '(not set)'
                    )
            when 'click_id'
                then coalesce(nullif(click_id_parameters.implied_medium, '*'), 'referral')
            when 'known_referrer'
                then
                    case first_evidence.referrer_medium
                        when 'search' then 'organic'
                        when 'social' then 'social'
                        when 'email' then 'email'
                        else 'referral'
                    end
            when 'other_referrer' then 'referral'
            else '(none)'
        end as traffic_medium,
        first_evidence.utm_campaign as traffic_campaign,
        first_evidence.referrer_host,
        first_evidence.referrer_medium,
        first_evidence.utm_source,
        first_evidence.utm_medium,
        first_evidence.utm_campaign,
        first_evidence.utm_term,
        first_evidence.utm_content,
        first_evidence.click_id_type
    from sessions
    left join first_evidence on sessions.session_id = first_evidence.session_id
    left join click_id_parameters
        on first_evidence.click_id_type = click_id_parameters.parameter

)

select
    sourced.*,
    case
        when sourced.evidence in ('campaign', 'click_id') then source_categories.category
        else coalesce(sourced.referrer_medium, source_categories.category)
    end as source_category
from sourced
left join source_categories on lower(sourced.traffic_source) = source_categories.source
