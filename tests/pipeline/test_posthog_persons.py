"""Do persons exported beside events merge whom they should, and is each of their rows counted?"""

import json

import duckdb
import pytest

from tests.references.originals import accounts
from tests.references.warehouses import (
    BuiltWarehouse,
    build_tables,
    load,
    run_dbt,
    settings_in,
)


def event(number: int, device_id: str, user_id: str | None = None) -> dict:
    return {
        "uuid": f"e{number}",
        "event": "$pageview",
        "distinct_id": user_id or device_id,
        "person_id": f"as ingested {number}",
        "properties": {"$device_id": device_id, "$is_identified": user_id is not None},
        "timestamp": f"2026-03-14T1{number}:00:00.000000Z",
    }


def person(distinct_id: str | None, person_id: str, version: int, *, is_deleted: bool = False):
    return {
        "team_id": 1,
        "distinct_id": distinct_id,
        "person_id": person_id,
        "properties": {"plan": "free"},
        "person_distinct_id_version": version,
        "person_version": version,
        "created_at": "2026-03-14T09:00:00.000000Z",
        "_inserted_at": f"2026-03-15T00:00:{version:02}.000000Z",
        "is_deleted": is_deleted,
    }


EVENTS = [
    event(1, "laptop", "anna"),
    event(2, "phone"),
    event(3, "tablet", "bert"),
    event(4, "kiosk"),
    event(5, "watch"),
]
PERSONS = [
    person("anna", "P1", 0),
    # the phone was another's until it was merged
    person("phone", "P2", 0),
    person("phone", "P1", 1),
    # two known users, whom somebody has merged
    person("bert", "P3", 0),
    person("bert", "P1", 9),
    # the claim to the kiosk was taken back
    person("kiosk", "P1", 3),
    person("kiosk", "P1", 4, is_deleted=True),
    # nobody else is this person
    person("watch", "P4", 0),
]


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> BuiltWarehouse:
    folder = tmp_path_factory.mktemp("posthog_persons")
    exports = folder / "exports"
    exports.mkdir()
    for name, rows in {
        "events": EVENTS,
        "persons": [*PERSONS, person(None, "P5", 1)],
        # as a window of the export that overlaps
        "persons_again": list(reversed(PERSONS)),
    }.items():
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (exports / f"{name}.jsonl").write_text(text)
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(
            "copy (select * replace (properties::varchar as properties,"
            ' cast("_inserted_at" as timestamptz) as "_inserted_at")'
            f" from read_json('{exports / 'persons_again.jsonl'}',"
            " columns = {team_id: 'bigint', distinct_id: 'varchar', person_id: 'varchar',"
            " properties: 'json', person_distinct_id_version: 'bigint', person_version: 'bigint',"
            " created_at: 'varchar', _inserted_at: 'varchar', is_deleted: 'boolean'}))"
            f" to '{exports / 'persons.parquet'}' (format parquet)"
        )
    source = {"name": "app", "kind": "posthog", "path": str(exports)}
    settings = settings_in(folder, [source])
    load(settings)
    build_tables(settings)
    run_dbt(
        settings,
        "test",
        "--select",
        "assert_known_users_are_never_merged",
        "assert_identity_periods_do_not_overlap",
        "assert_every_record_is_accounted_for",
    )
    return BuiltWarehouse(settings)


def test_the_source_merges_people_and_nobody_else(warehouse: BuiltWarehouse) -> None:
    rows = warehouse.rows("select device_id, person_id from marts.sessions")
    persons = {row["device_id"]: row["person_id"] for row in rows}
    assert len({persons[device] for device in ("laptop", "phone", "tablet")}) == 1
    assert len(set(persons.values())) == 3
    reasons = warehouse.rows(
        "select identifier, reason from marts.person_identities order by identifier"
    )
    assert [tuple(row.values()) for row in reasons] == [
        ("anna", "user_seen"),
        ("bert", "merged_by_source"),
        ("kiosk", "device_only"),
        ("laptop", "user_seen"),
        ("phone", "merged_by_source"),
        ("tablet", "merged_by_source"),
        ("watch", "device_only"),
    ]
    (person,) = warehouse.rows(
        "select user_id, device_count from marts.persons where user_id != ''"
    )
    assert person == {"user_id": "anna", "device_count": 3}


def test_every_version_is_counted_once(warehouse: BuiltWarehouse) -> None:
    assert accounts(warehouse, "app") == {
        "read": len(EVENTS) + 3 * len(PERSONS) + 1,
        "accepted": len(EVENTS) + len(PERSONS),
        "rejected": 1,
        "duplicate": 2 * len(PERSONS),
        "superseded": 0,
    }
    (rejected,) = warehouse.rows("select reason, record_text from quality.rejected_records")
    assert rejected["reason"] == "missing_identifier"
    assert json.loads(rejected["record_text"])["person_key"] == "P5"


def test_each_file_is_in_the_table_of_its_records(warehouse: BuiltWarehouse) -> None:
    found = warehouse.rows(
        "select parse_filename(path) as file, raw_table from raw.load_files order by all"
    )
    assert {row["file"]: row["raw_table"] for row in found} == {
        "events.jsonl": "posthog_events",
        "persons.jsonl": "posthog_persons",
        "persons.parquet": "posthog_persons",
        "persons_again.jsonl": "posthog_persons",
    }
