select
    person_identity_id,
    source_name,
    identifier_type,
    identifier,
    person_id,
    valid_from,
    valid_to,
    is_current,
    reason
from {{ ref('int_identities_dated') }}
