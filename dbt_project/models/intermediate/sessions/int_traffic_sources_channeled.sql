-- distinct traffic sources are few: the rules are tried on them once, first match wins
with

traffic_sources as (

    select distinct
        traffic_source,
        traffic_medium,
        traffic_campaign,
        source_category,
        click_id_type
    from {{ ref('int_sessions_sourced') }}
    where {{ is_restated('session', 'session_id') }}
    {%- if is_increment() %}
    except

    select
        traffic_source,
        traffic_medium,
        traffic_campaign,
        source_category,
        click_id_type
    from {{ this }}
    {%- endif %}

),

channel_rules as (

    select * from {{ ref('channel_rules') }}

),

matched as (

    select
        traffic_sources.*,
        channel_rules.channel,
        channel_rules.rule_id,
        row_number() over (
            partition by
                traffic_sources.traffic_source, traffic_sources.traffic_medium,
                traffic_sources.traffic_campaign, traffic_sources.source_category,
                traffic_sources.click_id_type
            order by channel_rules.priority
        ) as preference
    from traffic_sources
    inner join channel_rules
        on
            (
                channel_rules.source_category = '*'
                or traffic_sources.source_category = channel_rules.source_category
            )
            and (
                channel_rules.source_pattern = '*'
                or {{ matches(
                    'lower(traffic_sources.traffic_source)', 'channel_rules.source_pattern'
                ) }}
            )
            and (
                channel_rules.medium_pattern = '*'
                or {{ matches(
                    'lower(traffic_sources.traffic_medium)', 'channel_rules.medium_pattern'
                ) }}
            )
            and (
                channel_rules.campaign_pattern = '*'
                or {{ matches(
                    "lower(coalesce(traffic_sources.traffic_campaign, ''))",
                    'channel_rules.campaign_pattern'
                ) }}
            )
            and (
                channel_rules.click_id_type = '*'
                or traffic_sources.click_id_type = channel_rules.click_id_type
            )

)

select
    traffic_source,
    traffic_medium,
    traffic_campaign,
    source_category,
    click_id_type,
    channel,
    rule_id as channel_rule_id
from matched
where preference = 1
