-- The value of a conversion definition is `revenue`, `none` or a plain number such as 12.5.
{{ config(meta={'dagster': {'ref': {'name': 'conversion_definitions'}}}) }}
select
    conversion_name,
    value
from {{ ref('conversion_definitions') }}
where not {{ matches('value', "'^(revenue|none|[0-9]{1,12}([.][0-9]{1,4})?)$'") }}
