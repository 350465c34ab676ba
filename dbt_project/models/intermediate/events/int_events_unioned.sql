{% for kind in source_kinds() %}
select
    {{ event_columns() | join(',\n    ') }}
from {{ ref('stg_' ~ kind ~ '__events') }}
{% if not loop.last %}union all{% endif %}
{% endfor %}
