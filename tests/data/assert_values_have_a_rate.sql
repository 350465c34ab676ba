-- Every value can be converted to the reporting currency (seeds/reference/currency_rates.csv).
{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'conversions'}}}) }}
select
    conversion_id,
    conversion_date,
    value,
    currency
from {{ ref('conversions') }}
where value is not null and value_reporting is null
