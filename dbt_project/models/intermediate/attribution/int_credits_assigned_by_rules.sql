{%- set position_weights = var('attribution_position_weights') -%}
{%- set weightings = {
    'first': 'case when touch_position = 1 then 1 else 0 end',
    'last': 'case when touch_position = touch_count then 1 else 0 end',
    'last_non_direct': 'case when touch_position = last_non_direct_position then 1 else 0 end',
    'linear': '1',
    'position': 'case
            when touch_count = 1 then 1
            -- two touches: the two ends share all, in their own proportion
            when touch_position = 1 then ' ~ position_weights[0] ~ '
            when touch_position = touch_count then ' ~ position_weights[2] ~ '
            else ' ~ position_weights[1] ~ ' / (touch_count - 2.0)
        end',
    'time_decay': 'power(
            -- measured from the newest touch, so that the weights cannot all vanish
            0.5, (age_micros - least_age_micros) / ('
                ~ var('attribution_half_life_days') ~ ' * 86400000000.0)
        )',
} -%}
-- One row per touch with a column per weighting; only at the end one per model: so the paths are
-- added up once, not once per model.
with

touches as (

    select * from {{ ref('int_touches_found') }}
    where {{ is_restated('conversion', 'conversion_id') }}

),

attribution_models as (

    select * from {{ ref('attribution_models') }}

),

paths as (

    select
        conversion_id,
        -- direct touches are set aside only when the path has something else to credit
        coalesce(max(case when channel != 'Direct' then touch_position end), max(touch_count))
            as last_non_direct_position,
        min(age_micros) as least_age_micros
    from touches
    group by conversion_id

),

weighed as (

    select
        touches.conversion_id,
        touches.touch_position,
        touches.touch_count,
        touches.value_reporting,
        {%- for weighting, weight in weightings.items() %}
        cast({{ weight }} as decimal(18, 12)) as {{ weighting }}_weight
        {%- if not loop.last %},{% endif %}
        {%- endfor %}
    from touches
    inner join paths on touches.conversion_id = paths.conversion_id

),

path_weights as (

    select
        conversion_id,
        {%- for weighting in weightings %}
        sum({{ weighting }}_weight) as {{ weighting }}_total,
        max({{ weighting }}_weight) as {{ weighting }}_most
        {%- if not loop.last %},{% endif %}
        {%- endfor %}
    from weighed
    group by conversion_id

),

shared as (

    select
        weighed.conversion_id,
        weighed.touch_position,
        weighed.value_reporting,
    {%- for weighting in weightings %}
    -- where the weights leave nothing to share by (both ends weigh 0), all touches are alike
    cast(
        case
            when path_weights.{{ weighting }}_total = 0 then 1.0 / weighed.touch_count
            else weighed.{{ weighting }}_weight / path_weights.{{ weighting }}_total
        end as decimal(18, 9)
    ) as {{ weighting }}_share,
    case
        when weighed.{{ weighting }}_weight = path_weights.{{ weighting }}_most
            then weighed.touch_position
    end as {{ weighting }}_most_position
    {%- if not loop.last %},{% endif %}
    {%- endfor %}
    from weighed
    inner join path_weights on weighed.conversion_id = path_weights.conversion_id

),

path_shares as (

    select
        conversion_id,
        {%- for weighting in weightings %}
        sum({{ weighting }}_share) as {{ weighting }}_total,
        -- what rounding leaves goes to the last of the touches that weigh most, so that the sum is
        -- exactly 1
        max({{ weighting }}_most_position) as {{ weighting }}_rounding_position
        {%- if not loop.last %},{% endif %}
        {%- endfor %}
    from shared
    group by conversion_id

),

credited as (

    select
        shared.conversion_id,
        shared.touch_position,
        shared.value_reporting,
    {%- for weighting in weightings %}
    shared.touch_position = path_shares.{{ weighting }}_rounding_position
        as {{ weighting }}_is_rounding,
    cast(
        case
            when shared.touch_position = path_shares.{{ weighting }}_rounding_position
                then shared.{{ weighting }}_share + 1 - path_shares.{{ weighting }}_total
            else shared.{{ weighting }}_share
        end as decimal(18, 9)
    ) as {{ weighting }}_credit
    {%- if not loop.last %},{% endif %}
    {%- endfor %}
    from shared
    inner join path_shares on shared.conversion_id = path_shares.conversion_id

),

valued as (

    select
        *,
    {%- for weighting in weightings %}
    cast(
        round(
            cast(value_reporting as decimal(28, 4))
            * cast({{ weighting }}_credit as decimal(10, 9)),
            4
        ) as decimal(18, 4)
    ) as {{ weighting }}_value
    {%- if not loop.last %},{% endif %}
    {%- endfor %}
    from credited

),

path_values as (

    select
        conversion_id,
        {%- for weighting in weightings %}
        sum({{ weighting }}_value) as {{ weighting }}_total
        {%- if not loop.last %},{% endif %}
        {%- endfor %}
    from valued
    group by conversion_id

),

credits as (

    select
        valued.conversion_id,
        valued.touch_position,
    {%- for weighting in weightings %}
    valued.{{ weighting }}_credit,
    cast(
        case
            when valued.{{ weighting }}_is_rounding
                then valued.{{ weighting }}_value + valued.value_reporting
                    - path_values.{{ weighting }}_total
            else valued.{{ weighting }}_value
        end as decimal(18, 4)
    ) as {{ weighting }}_value
    {%- if not loop.last %},{% endif %}
    {%- endfor %}
    from valued
    inner join path_values on valued.conversion_id = path_values.conversion_id

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
    attribution_models.model,
    case attribution_models.weighting
        {%- for weighting in weightings %}
        when '{{ weighting }}' then credits.{{ weighting }}_credit
        {%- endfor %}
    end as credit,
    case attribution_models.weighting
        {%- for weighting in weightings %}
        when '{{ weighting }}' then credits.{{ weighting }}_value
        {%- endfor %}
    end as credited_value
from credits
inner join touches
    on
        credits.conversion_id = touches.conversion_id
        and credits.touch_position = touches.touch_position
cross join attribution_models
