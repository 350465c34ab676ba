with

calls as (

    select * from {{ source('raw', 'segment_calls') }}

),

{{ segment_items() }}

select * from renamed
