"""What must be equal of two sources that hold the same events in different formats."""

from typing import Any

from tests.references.warehouses import BuiltWarehouse

# Ids differ between formats, and with them the order of events of one instant: sessions are
# compared by what they hold.
_EVENTS = """
select
    events.occurred_at, events.event_name, events.user_id, events.device_category,
    events.utm_medium, sessions.started_at, sessions.event_count
from marts.events
left join marts.sessions on events.session_id = sessions.session_id
where events.source_name = $1
"""
# What a line of a log says, whatever the server: without the host, which not every log has.
_REQUESTS = """
select
    events.occurred_at, events.event_name, events.page_path,
    nullif(split_part(events.page_url, '?', 2), '') as query, events.referrer_url,
    events.user_agent, events.is_bot, events.device_category,
    json_extract_string(events.properties, '$.method') as method,
    json_extract_string(events.properties, '$.status') as status,
    sessions.started_at, sessions.event_count, sessions.page_view_count
from marts.events
left join marts.sessions on events.session_id = sessions.session_id
where events.source_name = $1
"""
_ACCOUNT = """
select status, records_read, records_accepted, records_rejected, records_duplicate
from quality.load_files
where source_name = $1
"""


def events_of(
    warehouse: BuiltWarehouse, source_name: str, renamed: dict[str, str] | None = None
) -> list[tuple[Any, ...]]:
    """Return each event of a source with its session, in an order that no id decides."""
    rows = warehouse.rows(_EVENTS, [source_name])
    for row in rows:
        row["event_name"] = (renamed or {}).get(row["event_name"], row["event_name"])
    return sorted((tuple(row.values()) for row in rows), key=repr)


def requests_of(warehouse: BuiltWarehouse, source_name: str) -> list[dict[str, Any]]:
    """Return each request of a source with its session, in an order that no id decides."""
    return sorted(warehouse.rows(_REQUESTS, [source_name]), key=repr)


def account_of(warehouse: BuiltWarehouse, source_name: str) -> list[tuple[Any, ...]]:
    """Return status, records read, accepted, rejected and duplicate of each file of a source."""
    return [tuple(row.values()) for row in warehouse.rows(_ACCOUNT, [source_name])]
