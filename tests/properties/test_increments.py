"""However records come, tables that grow by increments are those that are built anew.

What comes: files in any order, late, with records that came before or tell an event otherwise;
files that are replaced, withdrawn, read again, or come twice. After each load an increment is run,
which may be killed, and in the end every table is built anew and compared, row by row.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from pprint import pformat
from random import Random

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.references.deliveries import Deliveries, Row
from tests.references.recordings import TABLES, Recording, Replay, names, record
from tests.references.warehouses import run_dbt, settings_in

EXAMPLES = int(os.environ.get("CLICKSTREAM_TEST_EXAMPLES", "3"))
# So many histories side by side in each, which take little longer than one.
HISTORIES = 24
ENOUGH_SEEDS = 50
KILLED = 0.2

# shop and app share their users; in diary and visits the source numbers the visits; in product it
# numbers the events; a visit is told again as it goes on.
KINDS = {
    "shop": "generic",
    "app": "generic",
    "diary": "generic",
    "product": "amplitude",
    "visits": "matomo",
}
NAMESPACES = {"shop": "family", "app": "family"}
NUMBERED_VISITS = {"diary", "visits"}

# Few events are to show a session that is too long: four half hours, not 48.
SETTINGS = {"session_max_hours": 2}
SPLITTING = {"session_split_on": ["campaign_change", "midnight"]}

# Tables to join with, which keep what no record asks for any more.
KEPT_FOR_LATER = {
    "int_page_urls_parsed",
    "int_user_agents_classified",
    "int_referrers_classified",
    "int_traffic_sources_channeled",
}


# ---------------------------------------------------------------- what comes


@dataclass(frozen=True)
class Told:
    """One record: what it tells of an event."""

    is_elsewhere: bool
    event_id: str | None
    name: str
    at: datetime
    order: int | None
    device: str | None
    user: str | None
    visit: str
    page: str
    campaign: str | None
    order_id: str | None
    came: int | None
    previous: str | None
    other: str

    def of(self, history: int) -> "Told":
        """Return the same of devices, users, visits and orders that no other history knows."""
        own = {
            name: f"{value}{history}"
            for name in ("event_id", "device", "user", "previous", "visit", "order_id")
            if (value := getattr(self, name)) is not None and value != "guest"
        }
        return replace(self, **own)


BEGINNING = datetime(2022, 11, 1, 22, 30)
HALF_HOURS = [BEGINNING + timedelta(minutes=30 * number) for number in range(7)]
MOMENTS = [
    BEGINNING + timedelta(days=days, minutes=15 * quarters, microseconds=micros)
    for days in (0, 0, 1)
    for quarters in range(12)
    for micros in (-1, 0, 1)
]
NAMES = ["page_view", "page_view", "purchase", "purchase", "add_to_cart", "sign_up"]
PAGES = ["/", "/p/1", "/p/1?utm_source=news&utm_medium=email&gclid=1", "/cart"]
OTHERS = [""] * 12 + ["bot", "phone", "item", "engaged", "referrer", "no time"]
WHAT_BECOMES = ["withdrawn", "withdrawn", "read again", "read in part", "repeated"]
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 16_0 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1"


def generic_row(told: Told) -> Row:
    is_purchase = told.name == "purchase"
    return {
        "event_id": told.event_id,
        "event_name": told.name,
        "occurred_at": "no time" if told.other == "no time" else told.at.isoformat(" "),
        "received_at": None if told.came is None else str(BEGINNING + timedelta(days=told.came)),
        "device_id": told.device,
        "user_id": told.user,
        "previous_id": told.previous,
        "session_id": told.visit,
        "page_url": f"https://site.example{told.page}",
        "referrer_url": "https://www.google.com/" if told.other == "referrer" else None,
        "utm_source": told.campaign,
        "utm_medium": told.campaign and "cpc",
        "utm_campaign": told.campaign,
        "user_agent": {"bot": GOOGLEBOT, "phone": IPHONE}.get(told.other),
        "order_id": told.order_id,
        "revenue": "12.34" if is_purchase else None,
        "currency": "EUR" if is_purchase else None,
        "item_id": "item" if told.other == "item" else None,
        "engaged_seconds": "6.5" if told.other == "engaged" else None,
    }


def amplitude_row(told: Told) -> Row:
    properties = {
        "page_location": f"https://site.example{told.page}",
        "utm_source": told.campaign,
        "utm_campaign": told.campaign,
        "order_id": told.order_id,
        "revenue": "5" if told.name == "purchase" else None,
        "currency": "USD",
    }
    return {
        "$insert_id": told.event_id,
        "event_type": told.name,
        "event_time": told.at.isoformat(" "),
        "event_id": None if told.order is None else str(told.order),
        "device_id": told.device,
        "user_id": told.user,
        "server_received_time": None
        if told.came is None
        else str(BEGINNING + timedelta(days=told.came)),
        "event_properties": json.dumps({k: v for k, v in properties.items() if v is not None}),
    }


def matomo_row(told: Told) -> Row:
    seconds = f"{told.at.replace(tzinfo=UTC).timestamp():.6f}"
    heard = (BEGINNING + timedelta(days=told.came or 0)).replace(tzinfo=UTC)
    return {
        "idSite": "1",
        "idVisit": told.visit,
        "pageId": told.event_id,
        "type": "event",
        "eventAction": told.name,
        "timestamp": seconds,
        "firstActionTimestamp": seconds if told.campaign else None,
        "lastActionTimestamp": f"{heard.timestamp():.0f}",
        "visitorId": told.device,
        "userId": told.user,
        "url": f"https://site.example{told.page}",
        "campaignSource": told.campaign,
    }


ROWS = {"generic": generic_row, "amplitude": amplitude_row, "matomo": matomo_row}

FIELDS = {
    "is_elsewhere": [False] * 14 + [True],
    "event_id": [None, "1", "2"],
    "name": NAMES,
    "at": [*HALF_HOURS * len(MOMENTS), *MOMENTS * 4],
    "order": [None, 1, 2],
    "device": ["d"] * 10 + ["e", None],
    "user": [None, None, None, None, "anna", "bert", "guest"],
    "visit": ["v", "v", "w", None],
    "page": PAGES,
    "campaign": [None, None, None, None, None, "spring", "autumn"],
    "order_id": [None, "o", "o", "p"],
    "came": [None, None, 0, 1],
    "previous": [None] * 8 + ["anna", "anna", "retired", "d"],
    "other": OTHERS,
}
PLAIN = Told(**{name: values[0] for name, values in FIELDS.items()})
# In some histories people use two devices, and it is told later that they did.
ON_TWO_DEVICES = FIELDS | {
    "name": ["page_view", "purchase"],
    "at": [*HALF_HOURS, *MOMENTS],
    "device": ["d", "e"],
    "user": [None, "anna", "anna", "bert"],
    "other": [""],
}
CHANGED = ["is_elsewhere", "at", "at", "device", "user", "campaign", "order_id", "came", "previous"]


@dataclass(frozen=True)
class Delivery:
    """A file that comes at a path; where it `replaces`, what came there before goes."""

    path: str
    source: str
    records: tuple[Told, ...]
    replaces: bool


@dataclass(frozen=True)
class Again:
    """A file that stands, and what becomes of it."""

    number: int
    what: str


Load = tuple[Delivery | Again, ...]
History = tuple[Load, ...]


def history(random: Random) -> History:
    """Return loads of a few records of one source, and some of another one."""
    home = random.choice(["shop", "shop", *KINDS])
    elsewhere = random.choice(["app", "product", "diary"])
    fields = random.choice([FIELDS, FIELDS, ON_TWO_DEVICES])
    records = []
    for number in range(random.choice([2, 3, 4, 6, 9])):
        record = Told(**{name: random.choice(values) for name, values in fields.items()})
        has_own_id = random.random() < 0.8
        records.append(replace(record, event_id=f"{number}0") if has_own_id else record)
    loads: list[Load] = []
    for _ in range(random.choice([2, 3, 4, 5])):
        load: list[Delivery | Again] = []
        for _ in range(random.choice([1, 1, 2])):
            if loads and random.random() < 0.35:
                load.append(Again(random.randrange(4), random.choice(WHAT_BECOMES)))
                continue
            count = min(len(records), random.choice([1, 1, 2, 3]))
            told = [again(random, record) for record in random.sample(records, k=count)]
            path, replaces = random.choice("abcd"), random.random() < 0.3
            for is_elsewhere, source in ((False, home), (True, elsewhere)):
                there = tuple(each for each in told if each.is_elsewhere == is_elsewhere)
                if there:
                    load.append(Delivery(path, source, there, replaces))
        loads.append(tuple(load))
    return tuple(loads)


def histories_of(seed: int) -> list[History]:
    """Return many histories side by side, none of which knows of the others."""
    random = Random(seed)
    return [history(random) for _ in range(HISTORIES)]


def again(random: Random, record: Told) -> Told:
    """Return the record, at times with another value."""
    if random.random() < 0.75:
        return record
    name = random.choice(CHANGED)
    return replace(record, **{name: random.choice(FIELDS[name])})


def bring(deliveries: Deliveries, histories: Sequence[History]) -> Iterator[None]:
    """Write load after load of all histories into the raw tables."""
    for loads in zip_longest(*histories, fillvalue=()):
        for number, load in enumerate(loads):
            for each in load:
                if isinstance(each, Delivery):
                    rows = [ROWS[KINDS[each.source]](told.of(number)) for told in each.records]
                    path = f"{number}/{each.path}"
                    deliveries.deliver(each.source, path, rows, replaces=each.replaces)
                else:
                    do_again(deliveries, number, each)
        yield


def do_again(deliveries: Deliveries, history: int, again: Again) -> None:
    standing = [
        (file_id, *held)
        for file_id, held in deliveries.standing.items()
        if held[1].startswith(f"{history}/")
    ]
    if not standing:
        return
    file_id, source, path, rows = standing[again.number % len(standing)]
    match again.what:
        case "withdrawn":
            deliveries.deliver(source, path, [], replaces=True)
        case "repeated":
            deliveries.deliver(source, path, rows, replaces=False)
        case "read again":
            deliveries.read_again(file_id, every=1)
        case "read in part":
            deliveries.read_again(file_id, every=2)


# ---------------------------------------------------------------- the property


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Recording]:
    """Return what dbt runs, with the usual settings and with sessions that split on more."""
    sources = [
        {
            "name": name,
            "kind": kind,
            "path": name,
            "user_namespace": NAMESPACES.get(name, name),
            "session_ids_from": "tracker" if name in NUMBERED_VISITS else "inactivity",
            "own_hosts": ["site.example"],
            **({"mapping": {"event_name": "event_name"}} if kind == "generic" else {}),
        }
        for name, kind in KINDS.items()
    ]
    folder = tmp_path_factory.mktemp("recordings") / "dbt"
    usual, splitting = record(folder, sources, SETTINGS, SPLITTING, "int_events_sessionized")
    return {"nothing else": usual, "campaign and midnight": splitting}


def differences(
    recording: Recording,
    histories: Sequence[History],
    seed: int,
    models: Set[str] | None = None,
) -> dict[str, list[tuple]]:
    """Return the rows of tables in which increments and a build differ, with who has them."""
    replay = Replay(recording)
    try:
        run_increments(replay, histories, Random(seed), models)
        replay.connection.execute("create schema grown; create schema built")
        keep(replay, "grown")
        replay.build(models)
        keep(replay, "built")
        return compare(replay.connection, "grown", "built")
    finally:
        replay.close()


def run_increments(
    replay: Replay, histories: Sequence[History], random: Random, models: Set[str] | None
) -> None:
    """Run an increment after every load; a killed one stops before some model."""
    # what every increment makes anew is compared in the end alone
    lasting = models or replay.recording.upstream(replay.recording.lasting)
    loads_left = max(map(len, histories))
    for _ in bring(Deliveries(replay.connection, KINDS), histories):
        loads_left -= 1
        if loads_left == 0:
            replay.increment(models)
        elif random.random() < KILLED:
            replay.increment(lasting, killed_at=random.choice(sorted(replay.recording.lasting)))
        else:
            replay.increment(lasting)


def keep(replay: Replay, schema: str) -> None:
    for of, what in (
        ("intermediate", "table"),
        ("marts", "table"),
        ("marts", "view"),
        ("quality", "view"),
    ):
        for name in names(replay.connection, what, of):
            replay.connection.execute(f"create table {schema}.{name} as from {of}.{name}")


def compare(
    connection: duckdb.DuckDBPyConnection, grown: str, built: str
) -> dict[str, list[tuple]]:
    """Return by table some rows that one schema has and the other has not."""
    tables = names(connection, "table", grown)
    found = {}
    for table in tables:
        ways = [(built, grown)]
        if table not in KEPT_FOR_LATER:
            ways.append((grown, built))
        for one, other in ways:
            rows = connection.execute(
                f"select '{one}', * from "
                f"(from {one}.{table} except all from {other}.{table}) limit 5"
            ).fetchall()
            if rows:
                found.setdefault(table, []).extend(rows)
    return found


def check(recording: Recording, seed: int) -> None:
    """Assert that there are no differences; if there are, show the least history that has them."""
    histories = histories_of(seed)
    if differences(recording, histories, seed):
        least = shorten(histories, lambda fewer: bool(differences(recording, fewer, seed)))
        found = differences(recording, least, seed)
        pytest.fail(f"seed {seed}: {pformat(least)}\n\n{pformat(found, width=200)}", pytrace=False)


def shorten(histories: list[History], fails: Callable[[list[History]], bool]) -> list[History]:
    """Return what is left where anything less does not fail: histories, loads, files, records."""
    shorter = True
    while shorter:
        shorter = False
        for fewer in less(histories):
            if fails(fewer):
                histories, shorter = fewer, True
                break
    return histories


def less(parts: Sequence) -> Iterator[Sequence]:
    """Yield the sequence with a half, or one of its parts less, or with less in one of them."""
    kind = type(parts)
    if len(parts) > 2:
        middle = len(parts) // 2
        yield kind(parts[:middle])
        yield kind(parts[middle:])
    for place, part in enumerate(parts):
        if len(parts) > 1:
            yield kind([*parts[:place], *parts[place + 1 :]])
        if isinstance(part, tuple):
            smaller = less(part)
        elif isinstance(part, Delivery):
            smaller = (replace(part, records=records) for records in less(part.records))
        else:
            continue
        for fewer in smaller:
            yield kind([*parts[:place], fewer, *parts[place + 1 :]])


examples = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # the test shortens what fails itself: that takes seconds, not hours
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("splits_on", ["nothing else", "campaign and midnight"])
@examples
@given(seed=st.integers(0, 2**32))
def test_increments_give_what_a_build_gives(recordings, splits_on, seed):
    check(recordings[splits_on], seed)


@pytest.mark.parametrize(
    ("sound", "faulty"),
    [
        # a record that follows after exactly the timeout is of the session before it
        ("<= cast(30 as bigint) * 60000000", "< cast(30 as bigint) * 60000000"),
        # the events after a pause know whether any came before it
        ("(select unnest([0, 1]) as blocks)", "(select unnest([0]) as blocks)"),
    ],
    ids=["timeout", "next block"],
)
def test_a_fault_in_what_is_touched_is_found(recordings, sound, faulty):
    faulty_recording = recordings["nothing else"].with_fault(sound, faulty)
    models = faulty_recording.upstream(["int_events_sessionized"])
    assert any(
        differences(faulty_recording, histories_of(seed), seed, models)
        for seed in range(ENOUGH_SEEDS)
    )


def check_fault(recordings, history: History, model: str, sound: str, faulty: str) -> None:
    """Check that increments give the model's table as a build does, and with the fault do not."""
    recording = recordings["nothing else"]
    models = recording.upstream([model])
    assert not differences(recording, [history], 0, models)
    assert model in differences(recording.with_fault(sound, faulty), [history], 0, models)


def test_a_session_whose_owner_is_found_later_touches_what_that_one_did_before(recordings):
    anonymous = replace(PLAIN, event_id="1")
    purchase = replace(
        anonymous,
        event_id="2",
        device="e",
        user="anna",
        name="purchase",
        at=BEGINNING + timedelta(hours=12),
    )
    login = replace(anonymous, event_id="3", user="anna", at=BEGINNING + timedelta(days=1))
    history = (
        (Delivery("a", "shop", (anonymous, purchase), False),),
        (Delivery("b", "shop", (login,), False),),
    )
    ownership, nothing = "restated.unit = 'ownership'", "restated.unit = 'nothing'"
    check_fault(recordings, history, "int_touches_found", ownership, nothing)


def test_of_a_session_that_goes_on_after_midnight_the_day_before_is_read_too(recordings):
    viewed = replace(PLAIN, name="page_view")
    midnight = datetime.combine(BEGINNING.date(), datetime.min.time()) + timedelta(days=1)
    before, after, late = (
        replace(viewed, event_id=str(minutes), at=midnight + timedelta(minutes=minutes))
        for minutes in (-10, 5, 9)
    )
    history = (
        (Delivery("a", "shop", (before, after), False),),
        (Delivery("b", "shop", (late,), False),),
    )
    days_around, day_alone = "(values (-2), (-1), (0), (1), (2))", "(values (0))"
    check_fault(recordings, history, "int_page_views_measured", days_around, day_alone)


def test_of_an_event_that_is_told_again_the_day_of_the_accepted_record_is_read_too(recordings):
    purchase = replace(PLAIN, event_id="1", name="purchase")
    again = replace(purchase, at=purchase.at + timedelta(days=3))
    rejected = replace(purchase, at=purchase.at + timedelta(days=30_000))
    histories = [
        ((Delivery("a", "shop", (one,), False),), (Delivery("b", "shop", (other,), False),))
        for one, other in ((purchase, again), (again, purchase), (purchase, rejected))
    ]
    recording = recordings["nothing else"]
    models = recording.upstream(["int_conversion_events_selected"])
    assert not any(differences(recording, [history], 0, models) for history in histories)
    faulty = recording.with_fault("cast(event_date as TEXT) as id", "cast(null as TEXT) as id")
    assert any(differences(faulty, [history], 0, models) for history in histories)


def test_a_repeat_on_another_day_is_kept_when_a_late_event_renames_the_session(recordings):
    midnight = datetime(2022, 11, 10)
    recording = recordings["nothing else"]
    models = recording.upstream(["int_events_repeated"])
    # whichever of the first two is accepted, one of the late events stands before it, on its day
    for late in (midnight - timedelta(seconds=90), midnight + timedelta(seconds=30)):
        history = tuple(
            (Delivery(file, "shop", (replace(PLAIN, event_id=event_id, at=at),), False),)
            for file, event_id, at in (
                ("a", "1", midnight + timedelta(minutes=1)),
                ("b", "1", midnight - timedelta(minutes=1)),
                ("c", "2", late),
            )
        )
        assert not differences(recording, [history], 0, models)


def test_what_a_conversion_that_moves_to_another_day_leaves_is_added_up_anew(recordings):
    purchase = replace(PLAIN, event_id="1", name="purchase")
    earlier = replace(purchase, at=purchase.at - timedelta(days=3))
    histories = [
        ((Delivery("a", "shop", (one,), True),), (Delivery("a", "shop", other, True),))
        for one, other in ((purchase, (earlier,)), (earlier, (purchase,)), (purchase, ()))
    ]
    day_before, no_day = "select conversion_date as id from", "select cast(null as date) as id from"
    for history in histories:
        check_fault(recordings, history, "int_touches_added_up", day_before, no_day)


def test_replayed_statements_give_what_dbt_gives(recordings, tmp_path):
    recording = recordings["nothing else"]
    by_dbt = settings_in(tmp_path)
    by_dbt.make_directories()
    histories = histories_of(0)
    in_file, replayed = Replay(recording, by_dbt.warehouse_path), Replay(recording)
    for replay in (in_file, replayed):
        loads = bring(Deliveries(replay.connection, KINDS), histories)
        next(loads)
        replay.increment()
        next(loads)
    in_file.stage()
    in_file.close()
    run_dbt(by_dbt, "run", "--select", *TABLES, "--vars", json.dumps(SETTINGS))
    replayed.increment()
    connection = replayed.connection
    connection.execute(f"attach '{by_dbt.warehouse_path}' as by_dbt (read_only)")
    assert connection.execute("from by_dbt.intermediate.int_sessions_identified").fetchone()
    built = "select model, version from {}.raw.built_from where kind = 'built' order by all"
    assert (
        connection.execute(built.format("by_dbt")).fetchall()
        == connection.execute(built.format("warehouse")).fetchall()
    ), "dbt has built anew what should have grown"
    assert not compare(connection, "intermediate", "by_dbt.intermediate")
    replayed.close()
