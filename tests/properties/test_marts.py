"""Of generated timelines, the marts say what plain Python says, however they are cut into files.

One example holds hundreds of devices, each a story of its own around the edges: half an hour, a
day, midnight, one instant, a login, another user, the same record again.
"""

import json
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import md5
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.references import definitions
from tests.references.checks import check_credits, check_funnels, check_identities, grouped
from tests.references.conversions import conversions_of
from tests.references.events import Event
from tests.references.funnels import Step
from tests.references.identity import Link, persons_of
from tests.references.sessions import Session, sessions_of
from tests.references.warehouses import BuiltWarehouse, CompiledModels, compiled_models

MARTS = (
    "events",
    "page_views",
    "sessions",
    "persons",
    "person_identities",
    "conversions",
    "funnel_entrants",
    "funnel_steps",
    "attribution_touches",
    "attribution_channels",
)

# shop and app share their users; club keeps its own; in the diary the source numbers the visits.
NAMESPACES = {"shop": "family", "app": "family", "club": "club", "diary": "diary"}
MAPPED = (
    "event_id", "event_name", "occurred_at", "device_id", "user_id", "previous_id", "session_id",
    "page_url",
    "utm_source", "utm_medium", "utm_campaign", "user_agent", "order_id", "revenue", "currency",
    "engaged_seconds",
)  # fmt: skip

START = datetime(2022, 11, 1)
GAPS = [
    timedelta(0),
    timedelta(microseconds=1),
    timedelta(seconds=1),
    timedelta(minutes=1),
    timedelta(minutes=30) - timedelta(microseconds=1),
    timedelta(minutes=30),
    timedelta(minutes=30, microseconds=1),
    timedelta(hours=3),
    timedelta(days=1),
    timedelta(days=6),
    timedelta(days=14),
    timedelta(days=30) - timedelta(microseconds=1),
]
NAMES = [
    "page_view", "page_view", "view_item", "view_item", "add_to_cart", "add_to_cart", "purchase",
    "purchase", "begin_checkout", "add_payment_info", "scroll",
]  # fmt: skip
NOBODIES = ["guest", "Anonymous", "0"]
TOUCHES = [
    {},
    {},
    {},
    {"utm_source": "google", "utm_medium": "cpc", "utm_campaign": "spring"},
    {"utm_source": "newsletter", "utm_medium": "email"},
    {"utm_source": "facebook", "utm_medium": "social", "utm_campaign": "shopping"},
    {"utm_source": "ChatGPT.com", "utm_medium": "referral"},
]
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"

HOUR = timedelta(hours=1)
EXTRA_FUNNELS = {
    "again_and_again": ("person", HOUR, [Step("*", "view_item", "*")] * 3),
    "there_and_back": (
        "session",
        timedelta(hours=48),
        [Step("*", name, "*") for name in ("view_item", "add_to_cart", "view_item")],
    ),
    "anything_then_cart": (
        "person",
        HOUR,
        [Step("*", "*", "*"), Step("shop", "add_to_cart", "*"), Step("*", "*", "^/p")],
    ),
}


@dataclass(frozen=True)
class Record:
    """One record of a generated export, as it is written."""

    source_name: str
    fields: tuple[tuple[str, str], ...]

    def __getitem__(self, name: str) -> str | None:
        return dict(self.fields).get(name)


Files = dict[str, list[Record]]
BuildMarts = Callable[[Sequence[Record], Random], tuple[BuiltWarehouse, Files]]


@pytest.fixture(scope="module")
def build_marts(tmp_path_factory: pytest.TempPathFactory) -> BuildMarts:
    """Return what builds the marts of some records; the models are compiled once."""
    compiled = compiled_models(MARTS)
    folder = tmp_path_factory.mktemp("examples")

    def build_them(records: Sequence[Record], random: Random) -> tuple[BuiltWarehouse, Files]:
        return build(compiled, folder, records, random)

    return build_them


few_but_large_examples = settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # to shrink hundreds of timelines takes hours and helps nobody
    suppress_health_check=list(HealthCheck),
)


@few_but_large_examples
@given(seed=st.integers(0, 2**32))
def test_marts_equal_the_references_on_generated_timelines(build_marts, seed):
    records = generate(Random(seed))
    warehouse, files = build_marts(records, Random(seed))
    check_marts(warehouse, files)


@few_but_large_examples
@given(seed=st.integers(0, 2**32))
def test_marts_do_not_depend_on_how_records_are_cut_into_files(build_marts, seed):
    records = generate(Random(seed), devices=80)
    found = []
    for attempt in range(2):
        shuffled = Random(seed + attempt)
        warehouse, _ = build_marts(records, shuffled)
        found.append({mart: Counter(_content(warehouse, mart)) for mart in MARTS})
    for mart in MARTS:
        assert found[0][mart], mart
        assert found[1][mart] == found[0][mart], mart


# ---------------------------------------------------------------- the edges, one by one


def test_a_login_after_a_pause_does_not_split_the_new_session(build_marts):
    """Another user was known before the pause, but the new session knows only one."""
    sessions = sessions_of_stories(
        build_marts, [("10:00", "anna"), ("11:00", None), ("11:01", "bert")]
    )
    assert sessions == [("10:00", 1, "anna", "first_event"), ("11:00", 2, "bert", "inactivity")]


def test_a_session_of_exactly_the_greatest_length_is_whole(build_marts):
    """48 pauses of exactly half an hour make 24 hours; one more is longer than that."""
    times = [f"{hour:02}:{minute:02}" for hour in range(24) for minute in (0, 30)]
    story = [(at, None) for at in times] + [("+00:00", None), ("+00:30", None)]
    sessions = sessions_of_stories(build_marts, story)
    assert sessions == [("00:00", 49, None, "first_event"), ("+00:30", 1, None, "max_length")]


def test_an_anonymous_session_is_the_users_who_was_seen_last_before_it(build_marts):
    """Seen last by the clock: the visit in which bert logged in had begun before anna's."""
    records = [
        record("diary", "10:00", session_id="long visit"),
        record("diary", "11:00", session_id="short visit", user_id="anna"),
        record("diary", "12:00", session_id="long visit", user_id="bert"),
        record("diary", "13:00", session_id="last visit"),
    ]
    warehouse, _ = build_marts(records, Random(0))
    rows = warehouse.rows("select started_at, person_id from marts.sessions order by started_at")
    bert, anna, last = (row["person_id"] for row in rows)
    assert last == bert != anna


def test_a_source_merges_users_and_a_shared_device_does_not(build_marts):
    """Anna was bert, by way of an id that no event has; carl only uses a device of hers."""
    records = [
        record("shop", "10:00", device_id="phone", user_id="bert"),
        record("shop", "10:10", device_id="phone", user_id="bert", previous_id="retired"),
        record("app", "11:00", device_id="laptop", user_id="anna", previous_id="retired"),
        record("shop", "12:00", device_id="tablet"),
        record("shop", "13:00", device_id="phone", user_id="anna", previous_id="tablet"),
        record("shop", "14:00", device_id="phone", user_id="carl", previous_id="tablet"),
        record("club", "15:00", device_id="laptop", user_id="anna"),
    ]
    warehouse, _ = build_marts(records, Random(0))
    rows = warehouse.rows("select * from marts.sessions order by started_at")
    bert, anna, tablet, again, carl, club = (row["person_id"] for row in rows)
    assert bert == anna == tablet == again
    assert len({anna, carl, club}) == 3
    reasons = warehouse.rows(
        "select identifier, reason from marts.person_identities where source_name = 'shop'"
        " and (identifier_type = 'user' or identifier = 'tablet') order by identifier"
    )
    assert [tuple(row.values()) for row in reasons] == [
        ("anna", "user_seen"),
        ("bert", "merged_by_source"),
        ("carl", "user_seen"),
        ("tablet", "merged_by_source"),
    ]


@pytest.mark.parametrize(
    ("second_look_at", "furthest_step"), [("10:00", 2), ("10:01", 3)], ids=["same", "later"]
)
def test_a_step_repeated_needs_a_second_event_at_a_later_instant(
    build_marts, second_look_at, furthest_step
):
    """Within one instant an event stands at its least step: look, look, cart, never look again."""
    records = [
        record("shop", "10:00", event_id="view_item 1", event_name="view_item"),
        record("shop", "10:00", event_id="add_to_cart", event_name="add_to_cart"),
        record("shop", second_look_at, event_id="view_item 2", event_name="view_item"),
    ]
    warehouse, _ = build_marts(records, Random(0))
    rows = warehouse.rows(
        "select max(furthest_step) as furthest_step from marts.funnel_entrants"
        " where funnel = 'there_and_back'"
    )
    assert rows == [{"furthest_step": furthest_step}]


def sessions_of_stories(
    build_marts: BuildMarts, story: Sequence[tuple[str, str | None]]
) -> list[tuple[str, int, str | None, str]]:
    """Return start, events, user and reason of the sessions of one device with these events."""
    records = [record("shop", at, user_id=user_id) for at, user_id in story]
    warehouse, _ = build_marts(records, Random(0))
    rows = warehouse.rows("select * from marts.sessions order by started_at")
    times = {_time(at): at for at, _ in story}
    return [
        (times[row["started_at"]], row["event_count"], row["user_id"], row["split_reason"])
        for row in rows
    ]


def record(source_name: str, at: str, **fields: str | None) -> Record:
    """Return a record of one device at a time of day; of the next day where it begins with +."""
    named = {
        "event_name": "scroll",
        "device_id": "device",
        "page_url": "https://site.example/",
        "occurred_at": _time(at).isoformat() + "Z",
        **fields,
    }
    known = ((name, value) for name, value in named.items() if value is not None)
    return Record(source_name, tuple(sorted(known)))


def _time(at: str) -> datetime:
    clock = datetime.strptime(at.removeprefix("+"), "%H:%M")
    days = timedelta(days=1 if at.startswith("+") else 0)
    return START + days + timedelta(hours=clock.hour, minutes=clock.minute)


# ---------------------------------------------------------------- records


def generate(random: Random, devices: int = 240) -> list[Record]:
    """Return the records of so many devices, some of them twice."""
    records = []
    for number in range(devices):
        timeline = list(_timeline(random, number))
        records.extend(timeline)
        records.extend(random.choices(timeline, k=random.choice([0, 0, 0, 1, 2])))
    return records


def _timeline(random: Random, number: int) -> Iterator[Record]:
    source_name = random.choice(list(NAMESPACES))
    in_diary = source_name == "diary"
    device_id = f"device {number}"
    users = [f"user {random.randrange(60)}" for _ in range(random.choice([0, 1, 1, 2, 3]))]
    user_agent = GOOGLEBOT if random.random() < 0.05 else None
    gaps = GAPS[1:] if in_diary else GAPS
    gaps = random.sample(gaps, k=min(len(gaps), random.choice([1, 2, 4, 8])))
    length = random.choice([1, 2, 3, 5, 8, 13])
    if random.random() < 0.06:
        # half-hourly for days: exactly at the edge of a session, and past its greatest length
        gaps, length = [timedelta(minutes=30)], random.choice([48, 49, 50, 98, 120])
    at = START + timedelta(
        days=random.randrange(20), minutes=random.choice([0, 600, 23 * 60 + 45, 24 * 60 - 1])
    )
    orders = [f"order {number}/{i}" for i in range(2)]
    for step in range(length):
        name = random.choice(NAMES)
        user_id = random.choice([None, *users, *users, random.choice(NOBODIES)])
        fields = {
            "event_name": name,
            "occurred_at": at.isoformat(timespec="microseconds") + "Z",
            "device_id": None if random.random() < 0.03 else device_id,
            "user_id": user_id,
            "session_id": f"visit {random.randrange(3)}" if in_diary else None,
            "page_url": f"https://site.example/{random.choice(['', 'p/1', 'q'])}",
            "user_agent": user_agent,
            "engaged_seconds": random.choice([None, None, "4", "6.5", "10"]),
            "previous_id": _previous_id(random) if random.random() < 0.02 else None,
            **random.choice(TOUCHES),
        }
        if random.random() < 0.7:
            fields["event_id"] = f"event {number}/{step}"
        if name == "purchase":
            fields["order_id"] = random.choice([None, *orders])
            fields["revenue"] = random.choice([None, "12.34", "100", "0.07"])
            fields["currency"] = random.choice(["USD", "EUR", "XTS"])
        yield Record(
            source_name,
            tuple(sorted((key, value) for key, value in fields.items() if value is not None)),
        )
        at += random.choice(gaps)


def _previous_id(random: Random) -> str:
    """Return the id of a user or a device, here or elsewhere, or one that no event has."""
    kinds = [("user", 60), ("device", 240), ("retired", 8), ("retired", 8)]
    kind, count = random.choice(kinds)
    return random.choice([f"{kind} {random.randrange(count)}"] * 9 + ["guest"])


def build(
    compiled: CompiledModels, folder: Path, records: Sequence[Record], random: Random
) -> tuple[BuiltWarehouse, Files]:
    """Cut the records into files, load them in some order and build the marts."""
    shutil.rmtree(folder)
    folder.mkdir()
    shuffled = random.sample(records, k=len(records))
    files: Files = defaultdict(list)
    for record in shuffled:
        files[f"{record.source_name}_{random.randrange(4)}.jsonl"].append(record)
    for name in NAMESPACES:
        (folder / name).mkdir()
    for file_name, held in files.items():
        exports = folder / held[0].source_name
        lines = [json.dumps(dict(record.fields)) for record in held]
        (exports / file_name).write_text("\n".join(lines) + "\n")
    sources = [
        {
            "name": name,
            "kind": "generic",
            "path": str(folder / name),
            "user_namespace": namespace,
            "own_hosts": ["site.example"],
            "session_ids_from": "tracker" if name == "diary" else "inactivity",
            "mapping": {column: column for column in MAPPED},
        }
        for name, namespace in NAMESPACES.items()
    ]
    return compiled.build(folder, sources, seeds=list(_funnel_rows())), files


def _funnel_rows() -> Iterator[str]:
    for funnel, (scope, window, steps) in EXTRA_FUNNELS.items():
        for number, step in enumerate(steps, start=1):
            yield f"""
                insert into seeds.funnels by name
                select
                    '{funnel}' as funnel, {number} as step, 'step {number}' as step_name,
                    '{step.source_name}' as source_name, '{step.event_name}' as event_name,
                    '{step.page_path_pattern}' as page_path_pattern,
                    {window // HOUR} as window_hours, '{scope}' as scope
            """


# ---------------------------------------------------------------- comparisons


def check_marts(warehouse: BuiltWarehouse, files: Files) -> None:
    """Assert that every mart says of the files what the references say."""
    rows = warehouse.rows("select * from marts.events")
    paths = {
        row["file_id"]: Path(row["path"]).name
        for row in warehouse.rows("select file_id, path from raw.load_files")
    }
    events, session_ids = [], {}
    for row in rows:
        record = files[paths[row["file_id"]]][row["row_number"] - 1]
        events.append(_event(record, row))
        session_ids[row["event_id"]] = row["session_id"]
    records = {record_key(record) for held in files.values() for record in held}
    assert Counter(event.identity for event in events) == Counter(records)

    sessions = sessions_of([e for e in events if e.source_name != "diary"], "inactivity")
    sessions += sessions_of([e for e in events if e.source_name == "diary"], "tracker")
    reasons = Counter(session.began_because for session in sessions)
    assert reasons.keys() == {"first_event", "inactivity", "user_change", "max_length", "tracker"}
    marts = warehouse.rows("select * from marts.sessions")
    check_sessions(events, sessions, session_ids, {row["session_id"]: row for row in marts})
    links = [link for event in events for link in _links(event, files, paths)]
    person_ids = {row["session_id"]: row["person_id"] for row in marts}
    check_persons(sessions, events, links, person_ids)
    visits = [row for row in marts if row["source_name"] != "diary"]
    identities = warehouse.rows("select * from marts.person_identities")
    assert {row["reason"] for row in identities} >= {"merged_by_source", "user_seen"}
    check_identities(identities, visits)
    check_funnels(
        definitions.funnels() | EXTRA_FUNNELS,
        rows,
        marts,
        warehouse.rows("select * from marts.funnel_entrants"),
    )
    by_person = grouped((row for row in marts if not row["is_bot"]), "person_id")
    touches = grouped(warehouse.rows("select * from marts.attribution_touches"), "conversion_id")
    conversions = warehouse.rows("select * from marts.conversions where not is_bot")
    assert touches.keys() == {row["conversion_id"] for row in conversions}
    for conversion in conversions:
        own = by_person[conversion["person_id"]]
        check_credits(conversion, own, touches[conversion["conversion_id"]])


def check_sessions(
    events: Sequence[Event],
    sessions: Sequence[Session],
    session_ids: dict[str, str | None],
    marts: dict[str, dict[str, Any]],
) -> None:
    """Assert that sessions hold the right events, and sum them up."""
    homeless = {event.event_id for event in events if event.device_id is None}
    assert homeless == {event_id for event_id, session in session_ids.items() if session is None}
    session_of = {
        event.place: number for number, session in enumerate(sessions) for event in session.events
    }
    conversions = conversions_of(
        events,
        session_of,
        definitions.conversion_definitions(),
        definitions.dollar_rates(),
    )
    counts = Counter(session_of.get(conversion.event.place) for conversion in conversions)
    revenue: dict[int | None, Decimal] = defaultdict(Decimal)
    for conversion in conversions:
        revenue[session_of.get(conversion.event.place)] += conversion.value_in_usd or 0
    for number, session in enumerate(sessions):
        story = [(str(e.occurred_at), e.user_id, session_ids[e.event_id]) for e in session.events]
        assert len({session_id for *_, session_id in story}) == 1, (session.device_id, story)
        row = marts[session_ids[session.events[0].event_id]]
        expected = {
            "started_at": session.started_at,
            "ended_at": session.ended_at,
            "device_id": session.device_id,
            "user_id": session.user_id,
            "event_count": len(session.events),
            "page_view_count": session.page_view_count,
            "engaged_seconds": session.engaged_seconds,
            "conversion_count": counts[number],
            "is_engaged": session.is_engaged(counts[number]),
            "split_reason": session.began_because,
        }
        assert {fact: row[fact] for fact in expected} == expected, story
        assert (row["revenue"] or 0) == revenue[number], story
    assert len(marts) == len(sessions)


def check_persons(
    sessions: Sequence[Session],
    events: Sequence[Event],
    links: Sequence[Link],
    person_ids: dict[str, str],
) -> None:
    """Assert that sessions are of one person in the marts if, and only if, they should be."""
    pairs = {
        (person, person_ids[session.events[0].event_id])
        for session, person in persons_of(sessions, NAMESPACES, events, links)
    }
    assert len({person for person, _ in pairs}) == len(pairs)
    assert len({person_id for _, person_id in pairs}) == len(pairs)


def record_key(record: Record) -> object:
    """Return what makes a record itself: the source's own id, else all that it says."""
    return record.source_name, record["event_id"] or record.fields


def _event(record: Record, row: dict[str, Any]) -> Event:
    """Read a record; only the id, which orders the events of one instant, is the mart's."""
    user_id = record["user_id"]
    if user_id in NOBODIES:
        user_id = None
    device_id = record["device_id"]
    if device_id is None and user_id is not None:
        device_id = f"user:{user_id}"
    revenue, engaged = record["revenue"], record["engaged_seconds"]
    return Event(
        source_name=record.source_name,
        file_name=row["file_id"],
        row_number=row["row_number"],
        event_name=record["event_name"],
        occurred_at=datetime.fromisoformat(record["occurred_at"].removesuffix("Z")),
        device_id=device_id,
        identity=record_key(record),
        user_id=user_id,
        tracker_session_id=record["session_id"],
        event_id=row["event_id"],
        page_path=record["page_url"].removeprefix("https://site.example"),
        order_id=record["order_id"],
        revenue=None if revenue is None else Decimal(revenue),
        currency=record["currency"],
        engaged_seconds=None if engaged is None else Decimal(engaged),
    )


def _links(event: Event, files: Files, paths: dict[str, str]) -> Iterator[Link]:
    """Yield what the event's record says of a previous id."""
    record = files[paths[event.file_name]][event.row_number - 1]
    ids = {record["user_id"] or record["device_id"], record["previous_id"]} - {None, *NOBODIES}
    if record["previous_id"] is not None and len(ids) == 2:
        link_id = md5(f"event\x1f{event.event_id}".encode(), usedforsecurity=False).hexdigest()
        yield Link(event.source_name, tuple(sorted(ids)), event.occurred_at, link_id)


def _content(warehouse: BuiltWarehouse, mart: str) -> Iterator[tuple]:
    """Yield the rows of a mart without what tells when and from which file they were loaded."""
    dropped = {"loaded_at", "file_id", "row_number"}
    for row in warehouse.rows(f"select * from marts.{mart}"):
        yield tuple(
            tuple(value) if isinstance(value, list) else value
            for column, value in row.items()
            if column not in dropped
        )
