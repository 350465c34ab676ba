"""The model of schema drift says what a plain reading of its rules says, whatever the days hold."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import jinja2
from hypothesis import given, settings
from hypothesis import strategies as st

MODEL = Path(__file__).parents[2] / "dbt_project/models/quality/schema_drift.sql"
SETTINGS = {"drift_steady_days": 2, "drift_day_records": 100, "drift_steady_share": 0.05}
TYPES = ("integer", "number", "string")

# Per day: its records, and for each field the records of each type.
DAYS = st.lists(
    st.tuples(
        st.sampled_from([50, 100, 200]),
        st.dictionaries(
            st.sampled_from(["a", "b"]),
            st.dictionaries(st.sampled_from(TYPES), st.sampled_from([1, 40]), min_size=1),
        ),
    ),
    max_size=8,
)
Day = tuple[int, dict[str, dict[str, int]]]


def drift_by_model(days: list[Day]) -> set[tuple[date, str, str]]:
    environment = jinja2.Environment()
    sql = environment.from_string(MODEL.read_text()).render(
        ref=lambda name: name, var=SETTINGS.__getitem__
    )
    connection = duckdb.connect()
    connection.execute("create table stg_loader__load_files (file_id varchar, path varchar)")
    connection.execute(
        "create table int_fields_counted (source_name varchar, event_date date, "
        "field_name varchar, data_type varchar, record_count bigint, day_record_count bigint, "
        "example_file_id varchar)"
    )
    rows = [
        ("s", day_of(number), name, data_type, count, records, "f")
        for number, (records, fields) in enumerate(days)
        for name, types in [*fields.items(), ("id", {"string": records})]
        for data_type, count in types.items()
    ]
    if rows:
        connection.executemany("insert into int_fields_counted values (?, ?, ?, ?, ?, ?, ?)", rows)
    found = connection.execute(f"select event_date, field_name, change from ({sql})").fetchall()
    assert len(found) == len(set(found))
    return set(found)


def day_of(number: int) -> date:
    return date(2024, 1, 1) + timedelta(days=3 * number)


def changes_of(days: list[Day], counts: list[int]) -> tuple[set[int], set[int]]:
    """Return on which days something comes and goes, given its records per day."""
    come, gone = set(), set()
    is_known = False
    steady = 0
    for number, ((records, _), count) in enumerate(zip(days, counts, strict=True)):
        if count and not is_known and number > 0:
            come.add(number)
        is_known |= count > 0
        if records < SETTINGS["drift_day_records"]:
            continue
        if not count and steady >= SETTINGS["drift_steady_days"]:
            gone.add(number)
            is_known = False
        steady = steady + 1 if count >= SETTINGS["drift_steady_share"] * records else 0
    return come, gone


def drift_by_reading(days: list[Day]) -> set[tuple[date, str, str]]:
    found: set[tuple[date, str, str]] = set()
    for name in ("a", "b"):
        held: list[dict[str, int]] = [fields.get(name, {}) for _, fields in days]
        come, gone = changes_of(days, [sum(each.values()) for each in held])
        found |= {(day_of(number), name, "new") for number in come}
        found |= {(day_of(number), name, "vanished") for number in gone}
        retyped: set[int] = set()
        for data_type in TYPES:
            counts = [each.get(data_type, 0) for each in held]
            type_come, type_gone = changes_of(days, counts)
            if data_type == "integer":
                type_come = {
                    n for n in type_come if not any("number" in each for each in held[: n + 1])
                }
            other: Any = {"integer": "number", "number": "integer"}.get(data_type)
            retyped |= type_come | {n for n in type_gone if other not in held[n]}
        found |= {(day_of(number), name, "retyped") for number in retyped - come - gone}
    return found


@settings(max_examples=60, deadline=None)
@given(days=DAYS)
def test_the_model_agrees_with_a_plain_reading_of_its_rules(days: list[Day]) -> None:
    assert drift_by_model(days) == drift_by_reading(days)
