with

sessions as (

    select * from {{ ref('int_sessions_summarized') }}

),

sourced as (

    select * from {{ ref('int_sessions_sourced') }}

),

channeled as (

    select * from {{ ref('int_traffic_sources_channeled') }}

)

select
    sessions.*,
    sourced.evidence,
    sourced.traffic_source,
    sourced.traffic_medium,
    sourced.traffic_campaign,
    sourced.referrer_host,
    sourced.utm_source,
    sourced.utm_medium,
    sourced.utm_campaign,
    sourced.utm_term,
    sourced.utm_content,
    sourced.click_id_type,
    channeled.channel,
    channeled.channel_rule_id
from sessions
inner join sourced on sessions.session_id = sourced.session_id
inner join channeled
    on
        sourced.traffic_source = channeled.traffic_source
        and sourced.traffic_medium = channeled.traffic_medium
        and sourced.traffic_campaign is not distinct from channeled.traffic_campaign
        and sourced.source_category is not distinct from channeled.source_category
        and sourced.click_id_type is not distinct from channeled.click_id_type
