{% for kind in source_kinds_with_items() %}
select
    file_id,
    row_number,
    item_position,
    item_id,
    item_name,
    item_category,
    item_brand,
    price,
    quantity,
    revenue
from {{ ref('stg_' ~ kind ~ '__event_items') }}
{% if not loop.last %}union all{% endif %}
{% endfor %}
