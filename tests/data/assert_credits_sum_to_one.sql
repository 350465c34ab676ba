-- Every conversion of a human is credited exactly once, and its value whole, under every model.
{{ config(meta={
    'dagster': {'ref': {'name': 'attribution_touches'}},
    'restated': {'unit': 'conversion', 'column': 'conversion_id'},
}) }}
with

expected as (

    select
        conversions.conversion_id,
        conversions.value_reporting,
        attribution_models.model
    from {{ rows_tested(ref('conversions')) }} as conversions
    cross join {{ ref('attribution_models') }} as attribution_models
    where not conversions.is_bot

),

credited as (

    select
        conversion_id,
        model,
        sum(credit) as credit,
        sum(credited_value) as credited_value
    from {{ rows_tested(ref('attribution_touches')) }}
    group by conversion_id, model

)

select
    expected.conversion_id,
    expected.model,
    credited.credit,
    expected.value_reporting,
    credited.credited_value
from expected
left join credited
    on
        expected.conversion_id = credited.conversion_id
        and expected.model = credited.model
where
    credited.credit is distinct from 1
    or credited.credited_value is distinct from expected.value_reporting
