"""The shipped exports as plain events, each read by hand; DuckDB only turns Parquet into rows."""

import csv
import gzip
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb

from tests.references.events import Event

EPOCH = datetime(1970, 1, 1)

# Of a Snowplow enriched event; the format's field list counts from 1, so these are one less.
SNOWPLOW_FIELDS = {
    "event_id": 6,
    "domain_userid": 15,
    "network_userid": 17,
    "page_urlpath": 35,
    "contexts": 52,
    "unstruct_event": 58,
    "domain_sessionid": 123,
    "derived_tstamp": 124,
}
COMBINED_LINE = re.compile(
    r'(?P<host>\S+) \S+ \S+ \[(?P<time>[^\]]+)\] "(?P<method>\S+) (?P<target>\S+) [^"]*" '
    r'(?P<status>\d{3}) (?:\d+|-) "[^"]*" "(?P<agent>[^"]*)"'
)
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def ga4_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a GA4 Parquet export."""
    with duckdb.connect() as connection:
        cursor = connection.execute("select * from read_parquet(?)", [str(path)])
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def ga4_parameter(row: Mapping[str, Any], key: str) -> Any:
    """Return the value of an event parameter, whichever of its four types holds it."""
    for parameter in row["event_params"] or ():
        if parameter["key"] == key:
            held = [value for value in parameter["value"].values() if value is not None]
            return held[0] if held else None
    return None


def ga4_events(source_name: str, path: Path) -> Iterator[Event]:
    """Yield the events of a GA4 export; an event is what all its columns say."""
    for number, row in enumerate(ga4_rows(path), start=1):
        shop = row["ecommerce"] or {}
        orders = (shop.get("transaction_id"), ga4_parameter(row, "transaction_id"))
        revenue = shop.get("purchase_revenue")
        millis = ga4_parameter(row, "engagement_time_msec")
        ordered = row | {"event_params": sorted(row["event_params"], key=lambda p: p["key"])}
        yield Event(
            source_name=source_name,
            file_name=path.name,
            row_number=number,
            event_name=row["event_name"],
            occurred_at=EPOCH + timedelta(microseconds=row["event_timestamp"]),
            device_id=row["user_pseudo_id"],
            tracker_session_id=str(ga4_parameter(row, "ga_session_id")),
            identity=json.dumps(ordered, sort_keys=True),
            order_id=next(
                (str(order) for order in orders if order not in (None, "(not set)")), None
            ),
            revenue=None if revenue is None else Decimal(str(revenue)),
            currency=ga4_parameter(row, "currency"),
            engaged_seconds=None if millis is None else Decimal(int(millis)) / 1000,
            is_engaged_by_tracker=str(ga4_parameter(row, "session_engaged")) == "1",
        )


def snowplow_events(
    source_name: str, path: Path, event_names: Mapping[str, str]
) -> Iterator[Event]:
    """Yield the events of a Snowplow enriched TSV; mobile trackers keep their ids in a context."""
    lines = gzip.decompress(path.read_bytes()).decode().split("\n")
    for number, line in enumerate(filter(None, lines), start=1):
        cells = line.split("\t")
        row = {name: cells[at] or None for name, at in SNOWPLOW_FIELDS.items()}
        contexts = _snowplow_contexts(row["contexts"])
        mobile = contexts.get("client_session", {})
        order = contexts.get("transaction", {})
        action = json.loads(row["unstruct_event"])["data"]["data"] if row["unstruct_event"] else {}
        name = action.get("type", "snowplow_ecommerce_action")
        yield Event(
            source_name=source_name,
            file_name=path.name,
            row_number=number,
            event_name=event_names.get(name, name),
            occurred_at=datetime.fromisoformat(row["derived_tstamp"]),
            device_id=row["domain_userid"] or mobile.get("userId") or row["network_userid"],
            tracker_session_id=row["domain_sessionid"] or mobile.get("sessionId"),
            identity=row["event_id"],
            page_path=row["page_urlpath"],
            order_id=order.get("transaction_id"),
            revenue=Decimal(str(order["revenue"])) if name == "transaction" else None,
            currency=order.get("currency"),
        )


def combined_log_events(
    source_name: str, path: Path, asset_extensions: frozenset[str]
) -> tuple[list[Event], list[int]]:
    """Return the requests of an Apache combined log, and the numbers of the lines that are none."""
    events, broken = [], []
    occurrences: Counter[str] = Counter()
    lines = gzip.decompress(path.read_bytes()).decode().split("\n")
    for number, line in enumerate(filter(None, lines), start=1):
        match = COMBINED_LINE.fullmatch(line)
        if match is None:
            broken.append(number)
            continue
        occurrences[line] += 1
        target = match["target"]
        events.append(
            Event(
                source_name=source_name,
                file_name=path.name,
                row_number=number,
                event_name=_request_name(
                    match["method"], match["status"], target, asset_extensions
                ),
                occurred_at=_log_time(match["time"]),
                device_id=f"{match['host']} {match['agent']}",
                identity=(line, occurrences[line]),
                page_path=urlsplit(target).path,
            )
        )
    return events, broken


def tab_separated_log_events(
    source_name: str, path: Path, asset_extensions: frozenset[str]
) -> Iterator[Event]:
    """Yield the requests of a log in the form of the Internet Traffic Archive."""
    header, *lines = gzip.decompress(path.read_bytes()).decode("latin-1").rstrip("\n").split("\n")
    names = header.split("\t")
    occurrences: Counter[str] = Counter()
    for number, line in enumerate(lines, start=1):
        row = dict(zip(names, line.split("\t"), strict=True))
        occurrences[line] += 1
        yield Event(
            source_name=source_name,
            file_name=path.name,
            row_number=number,
            event_name=_request_name(row["method"], row["response"], row["url"], asset_extensions),
            occurred_at=EPOCH + timedelta(seconds=int(row["time"])),
            device_id=f"{row['host']} {row['useragent']}",
            identity=(line, occurrences[line]),
            page_path=row["url"].split("?")[0],
        )


def otto_events(source_name: str, path: Path, event_names: Mapping[str, str]) -> Iterator[Event]:
    """Yield the events nested in the sessions of the OTTO export."""
    number = 0
    for line in path.read_text().splitlines():
        visit = json.loads(line)
        for action in visit["events"]:
            number += 1
            yield Event(
                source_name=source_name,
                file_name=path.name,
                row_number=number,
                event_name=event_names.get(action["type"], action["type"]),
                occurred_at=EPOCH + timedelta(milliseconds=action["ts"]),
                device_id=str(visit["session"]),
                identity=(visit["session"], *sorted(action.items())),
            )


def panel_events(source_name: str, path: Path) -> Iterator[Event]:
    """Yield the page views of the browsing panel, whose members are known and have no device id."""
    for number, row in _csv_rows(path):
        yield Event(
            source_name=source_name,
            file_name=path.name,
            row_number=number,
            event_name="page_view",
            occurred_at=datetime.fromisoformat(row["ts_utc"]),
            device_id=f"user:{row['panelist_id']}",
            user_id=row["panelist_id"],
            identity=tuple(row.values()),
        )


def demo_shop_events(
    source_name: str, path: Path, event_names: Mapping[str, str]
) -> Iterator[Event]:
    """Yield the events of the demo shop with the session ids that it came with."""
    for number, row in _csv_rows(path):
        yield Event(
            source_name=source_name,
            file_name=path.name,
            row_number=number,
            event_name=event_names.get(row["event"], row["event"]),
            occurred_at=datetime.fromisoformat(row["timestamp"]),
            device_id=f"user:{row['user_id']}",
            user_id=row["user_id"],
            tracker_session_id=row["session_id"],
            identity=tuple(row.values()),
        )


def _csv_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    with gzip.open(path, "rt", newline="") as lines:
        yield from enumerate(csv.DictReader(lines), start=1)


def _snowplow_contexts(text: str | None) -> dict[str, dict[str, Any]]:
    """Return the first entity of each kind, by the name in its schema."""
    found: dict[str, dict[str, Any]] = {}
    for entity in json.loads(text)["data"] if text else ():
        found.setdefault(entity["schema"].split("/")[1], entity["data"])
    return found


def _request_name(method: str, status: str, target: str, asset_extensions: frozenset[str]) -> str:
    """Tell a page view (a page fetched, new or unchanged) from everything else a server answers."""
    last = target.split("?")[0].rsplit("/", 1)[-1]
    extension = last.rsplit(".", 1)[-1].lower() if "." in last else ""
    if int(status) >= 400:
        return "failed_request"
    if extension in asset_extensions:
        return "asset_request"
    return "page_view" if method == "GET" and status in ("200", "304") else "other_request"


def _log_time(text: str) -> datetime:
    """Read 17/May/2015:10:05:03 +0000."""
    day, month, rest = text.split("/", 2)
    at = datetime.strptime(f"{day} {MONTHS.index(month) + 1} {rest}", "%d %m %Y:%H:%M:%S %z")
    return at.astimezone(UTC).replace(tzinfo=None)
