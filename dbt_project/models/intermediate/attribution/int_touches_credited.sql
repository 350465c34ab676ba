{{ config(post_hook="{{ build_other_shares(ref('int_files_loaded')) }}") }}
{%- set share = share_of_step(ref('int_files_loaded')) -%}
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
-- One row per touch with columns per weighting: so the paths are added up once, not once per model.
-- What two parts of a query read, the engine stores: only what is needed, and of a large build a
-- share of the conversions at a time (macros/steps_of_build.sql).
with

touches as (

    select
        conversion_id,
        touch_position,
        touch_count,
        channel,
        age_micros,
        value_reporting
    from {{ ref('int_touches_found') }}
    where
        {{ is_restated('conversion', 'conversion_id') }}
        and {{ in_share('conversion_id', share) }}

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

),

touches_whole as (

    select * from {{ ref('int_touches_found') }}
    where
        {{ is_restated('conversion', 'conversion_id') }}
        and {{ in_share('conversion_id', share) }}

)

select
    touches_whole.conversion_id,
    touches_whole.conversion_name,
    touches_whole.person_id,
    touches_whole.source_name,
    touches_whole.converted_at,
    touches_whole.conversion_date,
    touches_whole.session_id,
    touches_whole.channel,
    touches_whole.traffic_source,
    touches_whole.traffic_medium,
    touches_whole.traffic_campaign,
    touches_whole.touched_at,
    touches_whole.touch_position,
    touches_whole.touch_count,
    {%- for weighting in weightings %}
    credits.{{ weighting }}_credit,
    credits.{{ weighting }}_value
    {%- if not loop.last %},{% endif %}
    {%- endfor %}
from touches_whole
inner join credits
    on
        touches_whole.conversion_id = credits.conversion_id
        and touches_whole.touch_position = credits.touch_position
