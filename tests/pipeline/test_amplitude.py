"""An Amplitude export yields the events that it was made of."""

import gzip
import json
import shutil
import zipfile

import pytest

from tests.fixtures import encode_amplitude
from tests.fixtures.demo_events import COLUMNS, EVENT_COUNT, write_as_it_stands
from tests.references.same_events import account_of, events_of
from tests.references.warehouses import BuiltWarehouse, build_tables, load, settings_in

RENAMED = {"home": "page_view"}
AT = "2026-03-14 10:30:03.512000"


def line(event_type: str, **fields: object) -> str:
    return json.dumps({"event_type": event_type, "event_time": AT} | fields) + "\n"


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> BuiltWarehouse:
    folder = tmp_path_factory.mktemp("amplitude")
    for name in ("original", "zipped", "unzipped", "odd"):
        (folder / name).mkdir()
    write_as_it_stands(folder / "original" / "events.csv")
    shutil.copy(encode_amplitude.EXPORT, folder / "zipped")
    with zipfile.ZipFile(encode_amplitude.EXPORT) as archive:
        archive.extractall(folder / "unzipped")
    old = {"event_id": 7, "device_id": "d", "client_event_time": AT, "amplitude_id": 1}
    text = (
        line("a", **{"$insert_id": "i", "device_id": "d", "uuid": "1"})
        + line("a", **{"$insert_id": "i", "device_id": "d", "uuid": "2"})
        + line("a", **{"$insert_id": "i", "device_id": "e"})
        + line("old", **old, uuid="3")
        + line("old", **old, uuid="4", **{"$insert_id": None})
        + line("old", **(old | {"event_id": 8}), session_id=-1)
        + line("older", device_id="d", uuid="5", session_id=-1)
        + line("older", device_id="d", uuid="5", session_id=-1)
        + line("older", device_id="d", uuid="6")
        + line("later", device_id="d", event_time="2026-03-14 12:00:00", session_id=-1, uuid="7")
        + line("", uuid="8")
        + json.dumps({"event_type": "no time", "uuid": "9"})
    )
    (folder / "odd" / "export.json.gz").write_bytes(gzip.compress(text.encode()))
    own = [
        {"name": name, "kind": "amplitude", "path": name, "user_namespace": name}
        for name in ("zipped", "unzipped", "odd")
    ]
    own[1]["timezone"] = "Asia/Kolkata"
    original = {"name": "original", "kind": "generic", "path": "original", "mapping": COLUMNS}
    settings = settings_in(folder, [original | {"session_ids_from": "tracker"}, *own])
    load(settings)
    build_tables(settings)
    return BuiltWarehouse(settings)


def test_the_fixture_is_what_its_script_writes() -> None:
    with zipfile.ZipFile(encode_amplitude.EXPORT) as archive:
        found = {name: gzip.decompress(archive.read(name)) for name in archive.namelist()}
    expected = {name: text.encode() for name, text in encode_amplitude.members().items()}
    assert found == expected


@pytest.mark.parametrize("source", ["zipped", "unzipped"])
def test_the_events_are_those_of_the_original(warehouse: BuiltWarehouse, source: str) -> None:
    original = events_of(warehouse, "original", RENAMED)
    assert len(original) == EVENT_COUNT
    assert events_of(warehouse, source) == original


def test_a_zip_is_one_file_and_its_parts_are_many(warehouse: BuiltWarehouse) -> None:
    assert account_of(warehouse, "zipped") == [("loaded", EVENT_COUNT + 2, EVENT_COUNT, 0, 2)]
    parts = account_of(warehouse, "unzipped")
    assert len(parts) == len(encode_amplitude.members())
    assert [sum(row[place] for row in parts) for place in (1, 2, 3, 4)] == [
        EVENT_COUNT + 2,
        EVENT_COUNT,
        0,
        2,
    ]


def test_a_resent_event_is_a_duplicate_and_no_conflict(warehouse: BuiltWarehouse) -> None:
    for source in ("zipped", "unzipped"):
        (found,) = warehouse.rows(
            "select count(*) as n from quality.duplicate_events where source_name = $1", [source]
        )
        assert found["n"] == 2
    assert not warehouse.rows(
        "select * from quality.rejected_records where source_name in ('zipped', 'unzipped')"
    )


def test_an_event_is_known_by_the_best_id_it_has(warehouse: BuiltWarehouse) -> None:
    found = warehouse.rows(
        "select event_name, count(*) as n from marts.events "
        "where source_name = 'odd' group by all order by all"
    )
    assert [tuple(row.values()) for row in found] == [
        ("a", 2),
        ("later", 1),
        ("old", 2),
        ("older", 2),
    ]
    assert account_of(warehouse, "odd") == [("loaded", 12, 7, 2, 3)]


def test_events_out_of_session_are_not_one_session(warehouse: BuiltWarehouse) -> None:
    found = warehouse.rows(
        "select count(distinct session_id) as n from marts.events "
        "where source_name = 'odd' and device_id = 'd' and event_name in ('older', 'later')"
    )
    assert found == [{"n": 2}]


def test_a_page_keeps_the_query_of_its_address(warehouse: BuiltWarehouse) -> None:
    found = warehouse.rows(
        "select distinct page_url from marts.events "
        "where source_name = 'zipped' and event_name = 'page_view'"
    )
    assert found == [{"page_url": "https://shop.example/?ref=1"}]
