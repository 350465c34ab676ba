"""What the whole pipeline makes of the battery of bad inputs: loader and models together.

Every case is a source of one warehouse, delivered in its steps; one build judges them all.
"""

import dataclasses
import hashlib
import json
from collections import Counter
from datetime import datetime
from typing import Any

import duckdb
import pytest

from orchestration import dbt
from orchestration.loading import create_raw_tables, one_file, open_warehouse
from orchestration.sources import read_raw_tables
from tests.pipeline.test_bad_inputs import (
    BATTERY,
    KIND_OF,
    REASON_IN_BATTERY,
    STAGING,
    Battery,
    battery_cases,
    expected_outcomes,
)
from tests.references.warehouses import BuiltWarehouse, begin, rows_of, run_dbt, settings_in

pytestmark = pytest.mark.skipif(not BATTERY.exists(), reason="the battery is not here")

# The models' words, in the battery's.
MODEL_REASON_IN_BATTERY = REASON_IN_BATTERY | {
    "missing_timestamp": "timestamp_missing",
    "invalid_timestamp": "timestamp_unparseable",
    "implausible_timestamp": "timestamp_out_of_window",
    "missing_event_name": "event_name_invalid",
    "invalid_event_name": "event_name_invalid",
    "invalid_contexts": "contexts_invalid_json",
    "invalid_event_id": "event_id_invalid",
    "invalid_request": "log_line_unparsed",
}

# Some of its events lie hours or days ahead of the day on which it was made.
MADE_AT = datetime(2026, 11, 22)

# We differ on purpose; what we do instead, and why.
DIFFERENCES = {
    # We read RFC 2822, a comma fraction, 24:00 and a bare day, which have one meaning each.
    "odd_formats": {"loaded": 6, "quarantined": 8},
}


@pytest.fixture(scope="module")
def battery_warehouse(tmp_path_factory: pytest.TempPathFactory) -> BuiltWarehouse:
    folder = tmp_path_factory.mktemp("battery")
    settings = settings_in(folder)
    begin(settings)
    raw_tables = read_raw_tables(STAGING)
    deliveries = []
    for parameter in battery_cases():
        battery = parameter.values[0]
        if KIND_OF[battery.case["source"]] in raw_tables:
            inbox = folder / battery.case["id"]
            raw_table = raw_tables[KIND_OF[battery.case["source"]]]
            source = dataclasses.replace(
                battery.source(inbox, raw_table),
                name=source_name(battery),
                session_ids_from=raw_table.session_ids_from,
                user_namespace=battery.case["id"],
            )
            if raw_table.mapped:
                mapping = {**source.mapping, "received_at": "received_at"}
                source = dataclasses.replace(source, mapping=mapping)
            deliveries.append((source, battery, inbox, raw_table))
    with (
        pytest.MonkeyPatch.context() as patch,
        open_warehouse(
            settings.warehouse_path, memory_limit="1GB", threads=2, temp_dir=settings.temp_dir
        ) as connection,
    ):
        create_raw_tables(connection, raw_tables, [source for source, *_ in deliveries])
        patch.setattr(one_file, "now", lambda: MADE_AT)
        for source, battery, inbox, raw_table in deliveries:
            for number in range(len(battery.steps)):
                battery.deliver(number, inbox)
                battery.load(number, connection, source, raw_table, settings.landing_dir)
    run_dbt(settings, *dbt.BUILD)  # with every check: bad input must not keep good data back
    return BuiltWarehouse(settings)


@pytest.fixture(scope="module")
def connection(battery_warehouse: BuiltWarehouse) -> Any:
    with battery_warehouse.connect() as connection:
        yield connection


@pytest.mark.parametrize("battery", list(battery_cases()))
def test_every_record_ends_as_the_battery_says(
    battery: Battery, connection: duckdb.DuckDBPyConnection
) -> None:
    if KIND_OF[battery.case["source"]] not in read_raw_tables(STAGING):
        pytest.skip(f"no staging twin of the kind {battery.case['source']} yet")
    found = outcome(connection, battery)
    assert (
        found["rows_in"]
        == found["loaded"] + found["quarantined"] + found["duplicates"] + found["superseded"]
    )
    expected = list(expected_outcomes(battery, len(battery.steps) - 1))
    expected = [{**each, **DIFFERENCES.get(battery.case["id"], {})} for each in expected]
    problems = [problem for each in expected if (problem := difference(found, each))]
    assert len(problems) < len(expected), "\n".join([str(found), *problems])
    check_facts(connection, battery, expected[0]["checks"])


def test_no_hostile_event_name_did_anything(connection: duckdb.DuckDBPyConnection) -> None:
    names = {
        name
        for (name,) in connection.execute(
            "select event_name from marts.events where source_name = 'case_event_names_hostile'"
        ).fetchall()
    }
    assert "a'; drop table events; --" in names
    assert "{{ 7*7 }}" in names


# ---------------------------------------------------------------- what came out


def source_name(battery: Battery) -> str:
    """Return the name of the source that reads the case."""
    return f"case_{battery.case['id']}"


def outcome(connection: duckdb.DuckDBPyConnection, battery: Battery) -> dict[str, Any]:
    """Return what quality.load_files says, a repeated file counting as duplicates."""
    name = source_name(battery)
    (counts,) = rows_of(
        connection,
        """
        select
            coalesce(sum(file.records_read), 0)
            + coalesce(sum(original.records_read), 0) as rows_in,
            coalesce(sum(file.records_accepted), 0) as loaded,
            coalesce(sum(file.records_rejected), 0) as quarantined,
            coalesce(sum(file.records_duplicate), 0)
            + coalesce(sum(original.records_read), 0) as duplicates,
            coalesce(sum(file.records_superseded), 0) as superseded
        from quality.load_files as file
        left join quality.load_files as original
            on file.status = 'repeated'
            and original.status != 'repeated'
            and original.file_id = file.file_id
        where file.source_name = $1
        """,
        [name],
    )
    reasons = Counter(
        MODEL_REASON_IN_BATTERY.get(row["reason"], row["reason"])
        for row in rows_of(
            connection,
            "select reason from quality.rejected_records where source_name = $1",
            [name],
        )
    )
    return {key: int(value) for key, value in counts.items()} | {"reasons": dict(reasons)}


def difference(found: dict[str, Any], expected: dict[str, Any]) -> str | None:
    """Return in what the outcome is not the expected one, None where it is."""
    if "rows_in" not in expected:
        is_enough = found["quarantined"] >= expected.get("min_quarantined", 0)
        return None if is_enough else f"fewer rejected than {expected['min_quarantined']}"
    for key in ("rows_in", "loaded", "quarantined", "duplicates", "superseded"):
        if found[key] != expected[key]:
            return f"{key} is {found[key]}, expected {expected[key]}"
    # The battery may leave the reasons open, or name them for another number of records.
    is_told = sum(expected["reasons"].values()) == expected["quarantined"]
    if is_told and found["reasons"] != expected["reasons"]:
        return f"reasons are {found['reasons']}, expected {expected['reasons']}"
    return None


def check_facts(
    connection: duckdb.DuckDBPyConnection, battery: Battery, checks: dict[str, Any]
) -> None:
    """Compare the further facts that the battery states: ids, times, users, sessions."""
    name = source_name(battery)
    events = {
        row["event_id"]: row
        for row in rows_of(connection, "select * from marts.events where source_name = $1", [name])
    }

    def event(own_id: str) -> dict[str, Any]:
        return events[hashlib.md5(f"{name}\x1f{own_id}".encode()).hexdigest()]

    for own_id in checks.get("loaded_event_ids", []):
        assert event(own_id)
    for own_id, user_id in checks.get("user_ids", {}).items():
        assert event(own_id)["user_id"] == user_id
    for own_id, time in checks.get("timestamps", {}).items():
        assert event(own_id)["occurred_at"] == datetime.fromisoformat(time)
    if "all_timestamps" in checks:
        times = sorted(row["occurred_at"] for row in events.values())
        assert times == sorted(map(datetime.fromisoformat, checks["all_timestamps"]))
    if "sessions" in checks:
        assert len({row["session_id"] for row in events.values()}) == checks["sessions"]
    for key in ("event_names", "event_names_exact"):
        if key in checks:
            names = sorted(row["event_name"] for row in events.values())
            assert names == sorted(name.strip(" ") for name in checks[key]), json.dumps(names)
    if "revenue_sum" in checks:
        revenue = sum(row["revenue"] for row in events.values() if row["revenue"] is not None)
        assert float(revenue) == checks["revenue_sum"]
    if "persons_with_known_id" in checks:
        known = {row["user_id"] for row in events.values() if row["user_id"] is not None}
        assert len(known) == checks["persons_with_known_id"]
