-- how long ago a person was seen is measured against how far the data of its sources reaches
with

persons as (

    select * from {{ ref('int_persons_summarized') }}

),

source_horizons as (

    select * from {{ ref('int_source_horizons') }}

),

-- few: most persons are known from one source
horizons as (

    select
        combinations.source_names,
        max(source_horizons.data_through_at) as data_through_at
    from (select distinct source_names from persons) as combinations
    inner join source_horizons
        on contains(
                ',' || combinations.source_names || ',', ',' || source_horizons.source_name || ','
            )
    group by combinations.source_names

),

with_age as (

    select
        persons.*,
        horizons.data_through_at,
        cast(floor(
            {{ micros_between('persons.last_seen_at', 'horizons.data_through_at') }} / 86400000000
        ) as integer) as days_since_last_seen,
        cast(floor(
            {{ micros_between('persons.first_seen_at', 'horizons.data_through_at') }} / 86400000000
        ) as integer) as days_since_first_seen
    from persons
    inner join horizons on persons.source_names = horizons.source_names

)

select
    person_id,
    user_id,
    user_namespace,
    first_seen_at,
    last_seen_at,
    device_count,
    session_count,
    page_view_count,
    event_count,
    total_session_seconds,
    engaged_seconds,
    conversion_count,
    order_count,
    revenue,
    is_bot,
    first_channel,
    first_source,
    first_medium,
    first_campaign,
    first_landing_page_path,
    last_channel,
    last_source,
    last_medium,
    last_campaign,
    last_landing_page_path,
    days_since_last_seen,
    case
        when days_since_first_seen < {{ var('lifecycle_current_days') }} then 'new'
        when days_since_last_seen < {{ var('lifecycle_current_days') }} then 'current'
        when days_since_last_seen < {{ var('lifecycle_at_risk_days') }} then 'at_risk'
        else 'dormant'
    end as lifecycle_stage,
    data_through_at
from with_age
