{%- set position_weights = var('attribution_position_weights') -%}
with

touches as (

    select * from {{ ref('int_touches_found') }}
    where {{ is_restated('conversion', 'conversion_id') }}

),

attribution_models as (

    select * from {{ ref('attribution_models') }}

),

-- what is said of a touch is joined back at the end: windows carry every column along
paths as (

    select
        conversion_id,
        touch_position,
        touch_count,
        age_micros,
        value_reporting,
        -- direct touches are set aside only when the path has something else to credit
        max(case when channel != 'Direct' then touch_position end) over (
            partition by conversion_id
        ) as last_non_direct_position,
        min(age_micros) over (partition by conversion_id) as least_age_micros
    from touches

),

weighed as (

    select
        paths.conversion_id,
        paths.touch_position,
        paths.touch_count,
        paths.value_reporting,
        attribution_models.model,
        cast(
            case attribution_models.weighting
                when 'first'
                    then case when paths.touch_position = 1 then 1 else 0 end
                when 'last'
                    then case when paths.touch_position = paths.touch_count then 1 else 0 end
                when 'last_non_direct'
                    then
                        case
                            when
                                paths.touch_position
                                = coalesce(paths.last_non_direct_position, paths.touch_count)
                                then 1
                            else 0
                        end
                when 'linear' then 1
                when 'position'
                    then
                        case
                            when paths.touch_count = 1 then 1
                            -- two touches: the two ends share all, in their own proportion
                            when paths.touch_position = 1 then {{ position_weights[0] }}
                            when paths.touch_position = paths.touch_count
                                then {{ position_weights[2] }}
                            else {{ position_weights[1] }} / (paths.touch_count - 2.0)
                        end
                when 'time_decay'
                    -- measured from the newest touch, so that the weights cannot all vanish
                    then
                        power(
                            0.5,
                            (paths.age_micros - paths.least_age_micros)
                            / ({{ var('attribution_half_life_days') }} * 86400000000.0)
                        )
            end as decimal(18, 12)
        ) as weight
    from paths
    cross join attribution_models

),

shared as (

    select
        *,
        -- rounded shares; what rounding leaves goes to one touch, so that the sum is exactly 1
        -- where the weights leave nothing to share by (both ends weigh 0), all touches are alike
        cast(
            case
                when sum(weight) over (partition by conversion_id, model) = 0
                    then 1.0 / touch_count
                else weight / sum(weight) over (partition by conversion_id, model)
            end as decimal(18, 9)
        ) as share,
        row_number() over (
            partition by conversion_id, model order by weight desc, touch_position desc
        ) as rounding_order
    from weighed

),

credited as (

    select
        *,
        case
            when rounding_order = 1
                then cast(
                        share + 1 - sum(share) over (partition by conversion_id, model)
                        as decimal(18, 9)
                    )
            else share
        end as credit
    from shared

),

valued as (

    select
        *,
        cast(
            round(cast(value_reporting as decimal(28, 4)) * cast(credit as decimal(10, 9)), 4)
            as decimal(18, 4)
        ) as rounded_value
    from credited

),

credits as (

    select
        conversion_id,
        touch_position,
        model,
        credit,
        case
            when rounding_order = 1
                then cast(
                        rounded_value + value_reporting
                        - sum(rounded_value) over (partition by conversion_id, model)
                        as decimal(18, 4)
                    )
            else rounded_value
        end as credited_value
    from valued

)

select
    touches.conversion_id,
    touches.conversion_name,
    touches.person_id,
    touches.source_name,
    touches.converted_at,
    touches.conversion_date,
    touches.session_id,
    touches.channel,
    touches.traffic_source,
    touches.traffic_medium,
    touches.traffic_campaign,
    touches.touched_at,
    touches.touch_position,
    touches.touch_count,
    credits.model,
    credits.credit,
    credits.credited_value
from credits
inner join touches
    on
        credits.conversion_id = touches.conversion_id
        and credits.touch_position = touches.touch_position
