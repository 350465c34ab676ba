"""Does quality.tracking_plan_violations say what a count of its own says?"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest

from orchestration.settings import PROJECT_DIR
from tests.references.warehouses import BuiltWarehouse, CompiledModels, compiled_models

EXPORT = PROJECT_DIR / "seeds" / "exports" / "merch_store" / "ga4_events_sampled.snappy.parquet"
# What Google asks of these events, as far as the plan requires it.
REQUIRED = {
    "purchase": ("transaction_id", "value", "currency", "items"),
    "add_to_cart": ("items",),
    "begin_checkout": ("items",),
    "select_item": ("items",),
    "view_search_results": ("search_term",),
    "page_view": ("page_location",),
}
TEXTS = {"transaction_id", "currency", "search_term", "page_location"}


def counted_by_hand() -> dict[tuple[Any, ...], tuple[int, int]]:
    """Return (affected, seen) per day, event, property and violation, from the export itself."""
    with duckdb.connect() as connection:
        events = connection.execute(
            "select event_name, event_timestamp, event_params, items from read_parquet($1)",
            [str(EXPORT)],
        ).fetchall()
    seen: Counter[tuple[Any, ...]] = Counter()
    affected: Counter[tuple[Any, ...]] = Counter()
    for name, timestamp, params, items in events:
        day = datetime.fromtimestamp(timestamp / 1e6, UTC).date()
        sent = {param["key"]: param["value"] for param in reversed(params)}
        for wanted in REQUIRED.get(name, ()):
            seen[day, name, wanted] += 1
            if violation := judged(wanted, sent.get(wanted), items):
                affected[day, name, wanted, violation] += 1
    return {key: (count, seen[key[:3]]) for key, count in affected.items()}


def judged(wanted: str, value: dict[str, Any] | None, items: list[Any] | None) -> str | None:
    if wanted == "items":
        return None if items else "missing_property"
    kinds = {kind for kind, content in (value or {}).items() if content is not None}
    if not kinds:
        return "missing_property"
    expected = {"string_value"} if wanted in TEXTS else kinds - {"string_value"}
    return "wrong_type" if kinds != expected else None


def test_the_violations_of_a_real_export_are_those_that_it_holds(
    built_warehouse: BuiltWarehouse,
) -> None:
    found = built_warehouse.rows(
        """
        select * from quality.tracking_plan_violations
        where source_name = 'merch_store' and property_name is not null
        """
    )
    expected = counted_by_hand()
    assert len(expected) > 50 and {key[3] for key in expected} == {"missing_property", "wrong_type"}
    assert expected == {
        (row["event_date"], row["event_name"], row["property_name"], row["violation"]): (
            row["records_affected"],
            row["records_seen"],
        )
        for row in found
    }


def test_an_example_of_a_violation_is_one(built_warehouse: BuiltWarehouse) -> None:
    found = built_warehouse.rows(
        """
        select violation, example_value, properties ->> '$.event_params.transaction_id' as sent
        from quality.tracking_plan_violations
        inner join marts.events on example_event_id = event_id
        where property_name = 'transaction_id' and events.source_name = 'merch_store'
        """
    )
    assert {row["violation"] for row in found} == {"missing_property", "wrong_type"}
    assert all(row["sent"] == row["example_value"] for row in found)


def test_the_demo_is_not_drowned(built_warehouse: BuiltWarehouse) -> None:
    (row,) = built_warehouse.rows("select count(*) as n from quality.tracking_plan_violations")
    assert 0 < row["n"] < 200


@pytest.fixture(scope="module")
def compiled() -> CompiledModels:
    return compiled_models(["tracking_plan_violations"])


def hostile_names() -> Iterator[str]:
    yield from ("Add To Cart", "purhcase", "page_view", "purchase")
    for number in range(10_000):
        yield (
            f"'; drop table marts.events; --{number}",
            f'a"b\\{number}',
            f"purchase{chr(0x4E00 + number)}",
            "x" * 400 + str(number),
            "add" + "_" * (number % 90) + f"to cart {number}",
        )[number % 5]


def test_ten_thousand_hostile_names_are_counted_in_a_bounded_number_of_rows(
    compiled: CompiledModels, tmp_path: Path
) -> None:
    records = [
        {"event_id": str(number), "event_name": name, "occurred_at": "2026-03-14T10:00:00Z"}
        for number, name in enumerate(hostile_names())
    ]
    found = violations(compiled, tmp_path, [records])
    by_violation = defaultdict(list)
    for row in found:
        by_violation[row["violation"]].append(row)
    names = by_violation["unknown_event"] + by_violation["near_duplicate_event"]
    assert len(names) == 101
    assert sum(row["records_affected"] for row in names) == 10_002
    assert [row["records_affected"] for row in names if row["event_name"] is None] == [9_902]
    assert {row["records_seen"] for row in names} == {10_004}


def test_the_violations_do_not_depend_on_the_order_of_loading(
    compiled: CompiledModels, tmp_path: Path
) -> None:
    random = Random(7)
    records = [
        {
            "event_id": str(random.randrange(150)),
            "event_name": random.choice(["purchase", "Purchase", "page_view", "nobody_knows"]),
            "occurred_at": f"2026-03-{random.randrange(10, 13)}T10:00:00Z",
            "received_at": "2026-03-14T10:00:00Z",
            "transaction_id": random.choice(["T1", 5, None]),
            "value": random.choice([1, 2.5, "3", True]),
            "currency": random.choice(["EUR", "eur", 978]),
        }
        for _ in range(300)
    ]
    parts = [records[:100], records[100:200], records[200:]]
    found = violations(compiled, tmp_path / "one", parts)
    assert len({row["violation"] for row in found}) == 5
    assert found == violations(compiled, tmp_path / "two", parts[::-1])


def violations(
    compiled: CompiledModels, folder: Path, parts: list[list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    """Load each part as a file, in this order, and return every row of the table."""
    exports = folder / "exports"
    exports.mkdir(parents=True)
    for number, part in enumerate(parts):
        lines = "".join(json.dumps(record) + "\n" for record in part)
        (exports / f"{number}.jsonl").write_text(lines)
    warehouse = compiled.build(folder, [{"name": "shop", "kind": "generic", "path": str(exports)}])
    return warehouse.rows("select * from quality.tracking_plan_violations order by all")
