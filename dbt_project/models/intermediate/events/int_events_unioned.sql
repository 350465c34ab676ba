{% for kind in source_kinds() %}
select
    {{ event_columns() | join(',\n    ') }},
    {% if kind not in source_kinds_that_revise() %}cast(null as timestamp) as {% endif %}revised_at
from {{ ref('stg_' ~ kind ~ '__events') }}
{% if not loop.last %}union all{% endif %}
{% endfor %}
