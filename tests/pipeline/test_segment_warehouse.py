"""Do the tables of a Segment or RudderStack warehouse say what the original export says?"""

from pathlib import Path

import pytest

from tests.fixtures.encode_segment import sample_rows
from tests.fixtures.encode_segment_warehouse import CSV, FOLDER, PARQUET, csv_of, tables_of
from tests.references.originals import ORIGINAL, accounts, original_source, told_by
from tests.references.warehouses import BuiltWarehouse, build_tables, load, settings_in

USERS = list(dict.fromkeys(row["user_id"] for row in sample_rows()))
ROWS = [row for row in sample_rows() if row["user_id"] not in USERS[2::3]]
TRACKS = sum(row["event"] != "home" for row in ROWS)

BY_HAND = {
    # A call of every kind, and what is no call; some columns are typed, some are lists as text.
    "pages.csv": "id,anonymous_id,timestamp,url,name,context_page_url\n"
    "p1,a1,2026-03-14 10:00:00 UTC,https://s.example/?gclid=x,Home,https://s.example/old\n",
    "screens.csv": "id,anonymous_id,timestamp,name\ns1,a1,2026-03-14 10:01:00 UTC,Main\n",
    "identifies.csv": "id,anonymous_id,user_id,timestamp,email\n"
    "i1,a1,u1,2026-03-14 10:02:00 UTC,anna@s.example\n",
    "groups.csv": "id,user_id,group_id,timestamp\ng1,u1,g,2026-03-14 10:03:00 UTC\n",
    "aliases.csv": "id,anonymous_id,user_id,previous_id,timestamp\n"
    "l1,,u1,a0,2026-03-14 10:04:00 UTC\n"
    "l2,a2,u2,u1,2026-03-14 10:04:01 UTC\n",
    "order_completed.csv": "id,anonymous_id,event,timestamp,order_id,revenue,currency,products\n"
    "o1,a1,order_completed,2026-03-14 10:05:00 UTC,O,44,eur,"
    '"[{""product_id"":""P42"",""price"":19.9,""quantity"":2},{""sku"":""P7""}]"\n',
    "tracks.csv": "id,anonymous_id,event,event_text,timestamp\n"
    "o1,a1,order_completed,Order Completed,2026-03-14 10:05:00 UTC\n"
    "o2,a1,signed_up,Signed Up,2026-03-14 10:06:00 UTC\n",
    "users.csv": "id,email,received_at\nu1,anna@s.example,2026-03-14 10:02:01 UTC\n,x,\n",
    "accounts.csv": "id,name\ng,Group\ng,Group\n",
    "strange.csv": "id,timestamp\nx1,2026-03-14 10:07:00 UTC\n",
}


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> BuiltWarehouse:
    folder = tmp_path_factory.mktemp("segment_warehouse")
    by_hand = folder / "by_hand"
    by_hand.mkdir()
    for name, text in BY_HAND.items():
        (by_hand / name).write_text(text)
    places: dict[str, Path] = {
        "csv": CSV,
        "parquet": PARQUET,
        "both_formats": FOLDER,
        "tracks_alone": CSV / "tracks_*",
        "by_hand": by_hand,
    }
    sources = [
        {"name": name, "kind": "segment_warehouse", "path": str(path), "user_namespace": name}
        for name, path in places.items()
    ]
    settings = settings_in(folder, [*sources, original_source(folder / "original", ROWS)])
    load(settings)
    build_tables(settings)
    return BuiltWarehouse(settings)


def test_the_fixture_is_what_its_script_makes() -> None:
    made = {
        f"{name}_000000000000.csv.gz": csv_of(table)
        for name, table in tables_of(sample_rows()).items()
    }
    assert made == {path.name: path.read_bytes() for path in CSV.iterdir()}


@pytest.mark.parametrize("source_name", ["csv", "parquet", "both_formats"])
def test_the_tables_say_what_the_original_says(warehouse: BuiltWarehouse, source_name: str) -> None:
    told = told_by(warehouse, source_name)
    assert len(told) > 150
    assert told == told_by(warehouse, ORIGINAL)


@pytest.mark.parametrize("source_name", ["csv", "parquet"])
def test_a_row_of_tracks_is_the_duplicate_of_its_events(
    warehouse: BuiltWarehouse, source_name: str
) -> None:
    users = len(USERS) - len(USERS[2::3])
    assert accounts(warehouse, source_name) == {
        "read": len(ROWS) + TRACKS + users,
        "accepted": len(ROWS) + users,
        "rejected": 0,
        "duplicate": TRACKS,
        "superseded": 0,
    }
    (kept,) = warehouse.rows(
        "select count(properties ->> '$.tracker_session')::int as kept from marts.events"
        " where source_name = $1",
        [source_name],
    )
    assert kept == {"kept": len(ROWS)}


def test_both_formats_hold_the_same_records(warehouse: BuiltWarehouse) -> None:
    once, twice = accounts(warehouse, "csv"), accounts(warehouse, "both_formats")
    assert twice["rejected"] == 0
    assert (twice["read"], twice["accepted"]) == (2 * once["read"], once["accepted"])


def test_tracks_alone_are_events_too(warehouse: BuiltWarehouse) -> None:
    found = accounts(warehouse, "tracks_alone")
    assert (found["read"], found["accepted"]) == (TRACKS, TRACKS)


def test_each_table_is_told_by_its_name(warehouse: BuiltWarehouse) -> None:
    found = warehouse.rows(
        "select event_name, device_id, user_id, page_title, click_id_type, revenue::int as revenue"
        " from marts.events where source_name = 'by_hand' order by occurred_at"
    )
    assert [tuple(row.values()) for row in found] == [
        ("page_view", "a1", None, "Home", "gclid", None),
        ("screen_view", "a1", None, "Main", None, None),
        ("identify", "a1", "u1", None, None, None),
        ("group", "user:u1", "u1", None, None, None),
        ("alias", "a0", "u1", None, None, None),
        ("alias", "a2", "u2", None, None, None),
        ("purchase", "a1", None, None, None, 44),
        ("sign_up", "a1", None, None, None, None),
    ]
    items = warehouse.rows(
        "select event_items.item_id, quantity::int as quantity from marts.event_items"
        " inner join marts.events using (event_id) where source_name = 'by_hand'"
        " order by item_position"
    )
    assert [tuple(row.values()) for row in items] == [("P42", 2), ("P7", None)]


def test_what_is_no_event_is_accounted_for(warehouse: BuiltWarehouse) -> None:
    found = warehouse.rows(
        "select parse_filename(path) as file, records_read, records_accepted, records_rejected,"
        " records_duplicate from quality.load_files where source_name = 'by_hand'"
    )
    counts = {file: tuple(rest) for file, *rest in (row.values() for row in found)}
    assert counts["users.csv"] == (2, 1, 1, 0)
    assert counts["accounts.csv"] == (2, 1, 0, 1)
    assert counts["tracks.csv"] == (2, 1, 0, 1)
    assert counts["strange.csv"] == (1, 0, 1, 0)
    rejected = warehouse.rows(
        "select reason from quality.rejected_records where source_name = 'by_hand' order by all"
    )
    assert [row["reason"] for row in rejected] == ["missing_identifier", "unknown_record_type"]
    assert accounts(warehouse, "by_hand")["read"] == 14


def test_users_are_one_person_where_a_row_of_aliases_says_so(warehouse: BuiltWarehouse) -> None:
    found = warehouse.rows(
        "select identifier, reason, person_id from marts.person_identities"
        " where source_name = 'by_hand' and identifier_type = 'user' order by identifier"
    )
    assert [(row["identifier"], row["reason"]) for row in found] == [
        ("u1", "user_seen"),
        ("u2", "merged_by_source"),
    ]
    assert len({row["person_id"] for row in found}) == 1
