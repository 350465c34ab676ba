with

page_views as (

    select * from {{ ref('int_page_views_measured') }}

),

sessions as (

    select
        session_id,
        person_id
    from {{ ref('int_sessions_identified') }}

)

select
    page_views.*,
    sessions.person_id
from page_views
inner join sessions on page_views.session_id = sessions.session_id
