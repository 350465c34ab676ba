{%- set files = changed_files(ref('int_files_loaded')) %}
-- only addresses that carry campaign evidence are kept: a small table to join back
with

addresses as (

    select page_url
    from {{ ref('int_events_unioned') }}
    {%- if is_increment() %}
    where {{ in_files('file_id', files) }}
    {%- endif %}
    group by page_url
    -- asked of an aggregate: a condition on the address itself would be part of the scan, which
    -- unpacks the record anew for every mention of it
    having max(case when contains(page_url, '=') then 1 else 0 end) = 1
    {%- if is_increment() %}

    except

    select page_url from {{ this }}
    {%- endif %}

),

page_urls as (

    select
        page_url,
        lower(page_url) as lowered_url
    from addresses

),

click_id_parameters as (

    select * from {{ ref('click_id_parameters') }}

),

named as (

    select
        page_urls.page_url,
        page_urls.lowered_url,
        click_id_parameters.parameter,
        click_id_parameters.priority,
        {{ dbt.position("'?' || click_id_parameters.parameter || '='", 'page_urls.lowered_url') }}
            as place_of_first,
        {{ dbt.position("'&' || click_id_parameters.parameter || '='", 'page_urls.lowered_url') }}
            as place_of_other
    from page_urls
    inner join click_id_parameters
        on contains(page_urls.lowered_url, click_id_parameters.parameter || '=')

),

-- the name must stand alone and have a value: `?gclid=x`, not `?mygclid=x` nor `?gclid=`
valued as (

    select
        page_url,
        parameter,
        priority,
        coalesce(
            -- mostly it stands once; a pattern put together for each row takes thirty times as long
            case
                when
                    (place_of_first = 0) != (place_of_other = 0)
                    -- no letter became another one of the alphabet, or two
                    and bit_length(lowered_url) = bit_length(page_url)
                    then {{ extract_match(
                        'substr(page_url, place_of_first + place_of_other + length(parameter) + 2)',
                        "'^([^&#]+)'"
                    ) }}
            end,
            case
                when place_of_first + place_of_other > 0
                    then {{ extract_match(
                        'page_url', "'(?i)[?&]' || parameter || '=([^&#]+)'"
                    ) }}
            end
        ) as click_id
    from named

),

click_ids as (

    select
        page_url,
        parameter,
        click_id,
        row_number() over (partition by page_url order by priority) as preference
    from valued
    where click_id is not null

),

parsed as (

    select
        page_urls.page_url,
        {{ not_blank(url_parameter('page_urls.page_url', 'utm_source')) }} as utm_source,
        {{ not_blank(url_parameter('page_urls.page_url', 'utm_medium')) }} as utm_medium,
        {{ not_blank(url_parameter('page_urls.page_url', 'utm_campaign')) }} as utm_campaign,
        {{ not_blank(url_parameter('page_urls.page_url', 'utm_term')) }} as utm_term,
        {{ not_blank(url_parameter('page_urls.page_url', 'utm_content')) }} as utm_content,
        click_ids.click_id,
        click_ids.parameter as click_id_type
    from page_urls
    left join click_ids
        on page_urls.page_url = click_ids.page_url and click_ids.preference = 1

)

select * from parsed
where
    coalesce(utm_source, utm_medium, utm_campaign, utm_term, utm_content, click_id) is not null
