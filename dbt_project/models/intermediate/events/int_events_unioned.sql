{% for kind in source_kinds() %}
{%- set revised_at = '' if kind in source_kinds_that_revise() else 'cast(null as timestamp) as ' %}
{%- set properties_hash = '' if kind in source_kinds_that_hash_properties()
    else hash_of(['properties']) ~ ' as ' %}
{%- set is_engaged = '' if kind in source_kinds_that_judge_engagement()
    else 'cast(null as boolean) as ' %}
select
    {{ event_columns() | join(',\n    ') }},
    {{ revised_at }}revised_at,
    {{ properties_hash }}properties_hash,
    {{ is_engaged }}is_engaged_by_tracker
from {{ ref('stg_' ~ kind ~ '__events') }}
{% if not loop.last %}union all{% endif %}
{% endfor %}
