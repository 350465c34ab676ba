-- distinct (source, page host, referrer host): few, classified once and joined back
with

referrals as (

    select distinct
        source_name,
        page_host,
        referrer_host
    from {{ ref('int_events_accepted') }}
    where referrer_host is not null and {{ is_restated_event('event') }}

    union

    -- a tracker may tell the referrer as a campaign
    select distinct
        source_name,
        page_host,
        lower(utm_source) as referrer_host
    from {{ ref('int_events_accepted') }}
    where
        lower(utm_medium) = 'referral'
        and utm_source is not null
        and {{ is_restated_event('event') }}
    {%- if is_increment() %}

    except

    select
        source_name,
        page_host,
        referrer_host
    from {{ this }}
    {%- endif %}

),

sources as (

    select * from {{ ref('stg_loader__sources') }}

),

referrer_hosts as (

    select * from {{ ref('referrer_hosts') }}

),

ignored_referrer_hosts as (

    select * from {{ ref('ignored_referrer_hosts') }}

),

known as (

    select
        referrals.referrer_host,
        referrer_hosts.medium,
        referrer_hosts.source_label,
        row_number() over (
            partition by referrals.referrer_host
            order by length(referrer_hosts.host) desc, referrer_hosts.host
        ) as preference
    from (select distinct referrer_host from referrals) as referrals
    inner join referrer_hosts
        on {{ is_host_or_subdomain('referrals.referrer_host', 'referrer_hosts.host') }}

),

ignored as (

    select distinct referrals.referrer_host
    from referrals
    inner join ignored_referrer_hosts
        on {{ is_host_or_subdomain('referrals.referrer_host', 'ignored_referrer_hosts.host') }}

)

select
    referrals.source_name,
    referrals.page_host,
    referrals.referrer_host,
    coalesce(
        {{ is_host_or_subdomain('referrals.referrer_host', 'referrals.page_host') }}
        or {{ is_host_or_subdomain('referrals.page_host', 'referrals.referrer_host') }}
        -- www.tumblr.com sends visits to blogs of others
        or (
            known.medium is null
            and (
                {{ is_host_or_subdomain(
                    'referrals.referrer_host', without_www('referrals.page_host')
                ) }}
                or {{ is_host_or_subdomain(
                    'referrals.page_host', without_www('referrals.referrer_host')
                ) }}
            )
        ),
        false
    )
    or {{ is_own_host('referrals.referrer_host', 'sources.own_hosts') }} as is_internal,
    ignored.referrer_host is not null as is_ignored,
    known.medium as referrer_medium,
    known.source_label as referrer_label
from referrals
left join sources on referrals.source_name = sources.source_name
left join known on referrals.referrer_host = known.referrer_host and known.preference = 1
left join ignored on referrals.referrer_host = ignored.referrer_host
