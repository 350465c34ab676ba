"""A Mixpanel raw export yields the events that it was made of."""

import json
import shutil

import pytest

from tests.fixtures import encode_mixpanel
from tests.fixtures.demo_events import COLUMNS, EVENT_COUNT, write_as_it_stands
from tests.references.same_events import account_of, events_of
from tests.references.warehouses import BuiltWarehouse, build_tables, load, settings_in

RENAMED = {"home": "page_view"}


def line(event: str, **properties: object) -> str:
    return json.dumps({"event": event, "properties": properties}) + "\n"


def shifted(text: str, seconds: int) -> str:
    """Return the export as a project writes it that is so far from UTC."""
    event = json.loads(text)
    event["properties"]["time"] += seconds
    return json.dumps(event) + "\n"


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> BuiltWarehouse:
    folder = tmp_path_factory.mktemp("mixpanel")
    for name in ("original", "web", "old_project", "odd", "identified"):
        (folder / name).mkdir()
    write_as_it_stands(folder / "original" / "events.csv")
    shutil.copy(encode_mixpanel.EXPORT, folder / "web")
    # the export of the next day begins where that of the day before has not ended
    lines = encode_mixpanel.EXPORT.read_text().splitlines(keepends=True)
    (folder / "web" / "export_2.jsonl").write_text("".join(lines[-30:]))
    # Kolkata is 5:30 h before UTC in every season
    (folder / "old_project" / "export.jsonl").write_text(
        "".join(shifted(text, 19_800) for text in lines)
    )
    key = {"distinct_id": "d", "$insert_id": "i"}
    (folder / "odd" / "export.jsonl").write_text(
        line("a", time=1710325274, **key)
        + line("a", time=1710325274987, **key)  # the same with time_in_ms: not counted again
        + line("a", time=1710325275, **key)
        + line("b", time=1710325274, **key)
        + line("a", time=1710325274, **(key | {"distinct_id": "e"}))
        + line("old", time=1710325274, distinct_id="d")
        + line("old", time=1710325274, distinct_id="d")
        + line("old", time=1710325274, distinct_id="d", plan="free")
        + line("no time", distinct_id="d")
        + line("bad time", time="soon")
        + line("", time=1710325274)
        + '{"event":"cut'
    )
    # the export of the next day, after a login: Simplified ID Merge tells the user of the events
    # before it, too; Original ID Merge another distinct_id
    anonymous = {"time": 1710325274, "mp_lib": "web", "$device_id": "d"}
    sent = anonymous | {"distinct_id": "$device:d", "$insert_id": "simplified"}
    merged = anonymous | {"distinct_id": "d", "$insert_id": "original"}
    known = {"distinct_id": "u", "$user_id": "u", "$distinct_id_before_identity": "$device:d"}
    (folder / "identified" / "export_1.jsonl").write_text(line("a", **sent) + line("a", **merged))
    (folder / "identified" / "export_2.jsonl").write_text(
        line("a", **(sent | known))
        + line("a", **(merged | {"distinct_id": "u", "$distinct_id_before_identity": "d"}))
    )
    own = [
        {"name": name, "kind": "mixpanel", "path": name, "user_namespace": name}
        for name in ("web", "old_project", "odd", "identified")
    ]
    own[1]["timezone"] = "Asia/Kolkata"
    original = {"name": "original", "kind": "generic", "path": "original"}
    mapping = {key: value for key, value in COLUMNS.items() if key != "session_id"}
    settings = settings_in(folder, [original | {"mapping": mapping}, *own])
    load(settings)
    build_tables(settings)
    return BuiltWarehouse(settings)


def test_the_fixture_is_what_its_script_writes() -> None:
    assert encode_mixpanel.EXPORT.read_text() == "".join(encode_mixpanel.lines())


@pytest.mark.parametrize("source", ["web", "old_project"])
def test_the_events_are_those_of_the_original(warehouse: BuiltWarehouse, source: str) -> None:
    original = events_of(warehouse, "original", RENAMED)
    assert len(original) == EVENT_COUNT
    assert events_of(warehouse, source) == original


def test_every_record_is_accounted_for(warehouse: BuiltWarehouse) -> None:
    # which of two deliveries of an event counts is decided by the file's content
    overlapping = account_of(warehouse, "web")
    assert sorted(row[1] for row in overlapping) == [30, EVENT_COUNT + 2]
    assert [sum(row[place] for row in overlapping) for place in (2, 3, 4)] == [EVENT_COUNT, 0, 32]
    assert account_of(warehouse, "old_project") == [("loaded", EVENT_COUNT + 2, EVENT_COUNT, 0, 2)]
    assert account_of(warehouse, "odd") == [("loaded", 12, 6, 5, 1)]


def test_an_event_is_known_by_name_person_second_and_insert_id(warehouse: BuiltWarehouse) -> None:
    found = warehouse.rows(
        "select event_name, user_id, count(*) as n from marts.events "
        "where source_name = 'odd' group by all order by all"
    )
    assert [tuple(row.values()) for row in found] == [
        ("a", "d", 2),
        ("a", "e", 1),
        ("b", "d", 1),
        ("old", "d", 2),
    ]


def test_an_event_told_again_with_its_user_is_counted_once(warehouse: BuiltWarehouse) -> None:
    accounts = account_of(warehouse, "identified")
    assert [sum(row[place] for row in accounts) for place in (2, 3, 4)] == [2, 0, 2]
    found = warehouse.rows(
        """
        select json_extract_string(properties, '$."$insert_id"') as insert_id, device_id, user_id
        from marts.events where source_name = 'identified' order by all
        """
    )
    assert [tuple(row.values()) for row in found] == [
        ("original", "d", None),
        ("simplified", "d", "u"),
    ]


def test_what_cannot_be_an_event_says_why(warehouse: BuiltWarehouse) -> None:
    found = warehouse.rows(
        "select reason from quality.rejected_records where source_name = 'odd' order by all"
    )
    assert [row["reason"] for row in found] == [
        "event_id_conflict",
        "invalid_timestamp",
        "missing_event_name",
        "missing_timestamp",
        "truncated_record",
    ]


def test_received_is_what_the_vendor_processed(warehouse: BuiltWarehouse) -> None:
    (found,) = warehouse.rows(
        "select min(received_at - occurred_at) as least from marts.events where source_name = 'web'"
    )
    assert found["least"].total_seconds() == 2
