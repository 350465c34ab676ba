{%- set files = changed_files(ref('int_files_loaded')) %}
-- only addresses that carry campaign evidence are kept: a small table to join back
with

addresses as (

    select distinct page_url
    from {{ ref('int_events_unioned') }}
    where contains(page_url, '=')
    {%- if is_increment() %}
        and {{ in_files('file_id', files) }}
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

click_ids as (

    select
        page_urls.page_url,
        click_id_parameters.parameter,
        {{ extract_match(
            'page_urls.page_url', "'(?i)[?&]' || click_id_parameters.parameter || '=([^&#]+)'"
        ) }} as click_id,
        row_number() over (
            partition by page_urls.page_url order by click_id_parameters.priority
        ) as preference
    from page_urls
    -- the name must stand alone and have a value: `?gclid=x`, not `?mygclid=x` nor `?gclid=`
    inner join click_id_parameters
        on
            contains(page_urls.lowered_url, click_id_parameters.parameter || '=')
            and {{ matches(
                'page_urls.page_url', "'(?i)[?&]' || click_id_parameters.parameter || '=[^&#]'"
            ) }}

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
