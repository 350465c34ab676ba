with

sessions as (

    select * from {{ ref('int_sessions_channeled') }}

),

owned as (

    select * from {{ ref('int_sessions_owned') }}
    where {{ is_restated('person', 'person_id') }}

)

select
    sessions.*,
    owned.user_namespace,
    owned.person_user_id,
    owned.identity_reason,
    owned.person_id,
    row_number() over (
        partition by owned.person_id order by sessions.started_at, sessions.session_id
    ) as session_number
from owned
inner join sessions on owned.session_id = sessions.session_id
