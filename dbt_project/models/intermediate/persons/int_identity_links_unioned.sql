{% for kind in source_kinds_with_identity_links() %}
select
    file_id,
    row_number,
    identifier,
    is_anonymous
from {{ ref('stg_' ~ kind ~ '__identity_links') }}
{% if not loop.last %}union all{% endif %}
{% endfor %}
