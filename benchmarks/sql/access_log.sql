-- Page views as a web server logs them, in the combined format; a server logs a request once.
select
    address || ' - - [' || strftime(occurred_at, '%d/%b/%Y:%H:%M:%S +0000') || '] "GET '
    || page_path || coalesce('?' || page_query, '') || ' HTTP/2.0" 200 '
    || 2000 + (draw('bytes', event_number) * 60000)::bigint
    || ' "' || coalesce(referrer_url, '-') || '" "' || user_agent || '"' as line
from records
where event_name = 'page_view' and delivery = 1
