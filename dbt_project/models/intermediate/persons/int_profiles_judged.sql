-- of records that say the same one counts: which one does not depend on the order of loading
select
    *,
    case
        when rejection_reason is not null then 'rejected'
        when
            row_number()
                over (partition by profile_id, rejection_reason order by file_id, row_number)
            > 1 then 'repeated'
        else 'accepted'
    end as verdict
from {{ ref('int_profiles_unioned') }}
