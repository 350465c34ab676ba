with

touches as (

    select * from {{ ref('attribution_touches') }}

),

source_horizons as (

    select * from {{ ref('int_source_horizons') }}

)

select
    touches.model,
    touches.conversion_name,
    touches.conversion_date,
    touches.channel,
    coalesce(touches.campaign, '(none)') as campaign,
    cast(sum(touches.credit) as decimal(18, 9)) as conversions,
    cast(sum(touches.credited_value) as decimal(28, 4)) as value,
    count(
        distinct case
            when touches.touch_position < touches.touch_count then touches.conversion_id
        end
    ) as assisted_conversions,
    min(
        case
            when
                touches.conversion_date
                < {{ local_date('source_horizons.data_through_at', var('reporting_timezone')) }}
                then 1
            else 0
        end
    ) = 1 as is_complete_period
from touches
inner join source_horizons on touches.source_name = source_horizons.source_name
group by 1, 2, 3, 4, 5
