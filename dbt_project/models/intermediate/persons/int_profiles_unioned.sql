{% for kind in source_kinds_with_profiles() %}
select
    {{ profile_columns() | join(',\n    ') }}
from {{ ref('stg_' ~ kind ~ '__profiles') }}
{% if not loop.last %}union all{% endif %}
{% endfor %}
