{% for kind in source_kinds_with_properties() %}
select
    file_id,
    row_number,
    property_names,
    property_values,
    untyped_properties
from {{ ref('stg_' ~ kind ~ '__event_properties') }}
{% if not loop.last %}union all{% endif %}
{% endfor %}
