select
    person_id,
    max(furthest_step) as furthest_step
from marts.funnel_entrants
group by person_id
