"""Do tables depend on the order in which files came, where records say more or less of an event?"""

import json
from pathlib import Path

from tests.pipeline.test_posthog_persons import EVENTS, PERSONS
from tests.references.warehouses import BuiltWarehouse, build_tables, load, settings_in

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"

# When and by which load is all that may differ.
OF_THE_LOAD = {
    "loaded_at",
    "last_loaded_at",
    "rejected_at",
    "load_id",
    "load_seconds",
    "modified_at",
    "build_id",
}


def test_files_in_any_order_give_the_same_tables(tmp_path: Path) -> None:
    at_once = warehouse_of(tmp_path / "at_once", one_by_one=False)
    backwards = warehouse_of(tmp_path / "backwards", one_by_one=True)
    expected, found = contents(at_once), contents(backwards)
    assert expected["marts.events"] and expected["quality.duplicate_events"]
    assert [name for name in expected if found[name] != expected[name]] == []


def warehouse_of(folder: Path, *, one_by_one: bool) -> BuiltWarehouse:
    """Return a warehouse of the exports: come all at once, or one after the other, last first."""
    exports = list(deliveries())
    folder.mkdir()
    sources = [
        {"name": name, "kind": kind, "path": name}
        for name, kind in dict.fromkeys((name, kind) for name, kind, *_ in exports)
    ]
    settings = settings_in(folder, sources)
    for name, _, file, content in reversed(exports):
        path = folder / name / file
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        if one_by_one:
            load(settings)
    load(settings)
    build_tables(settings)
    return BuiltWarehouse(settings)


def deliveries() -> list[tuple[str, str, str, bytes]]:
    """Return source, kind, file name and content of every export."""
    found = [
        ("visits", "matomo", path.name, path.read_bytes())
        for path in sorted((FIXTURES / "matomo" / "shop").iterdir())
    ]
    # Among them the table of all calls, whose rows stand in the tables of their events too.
    found += [
        ("warehouse", "segment_warehouse", path.name, path.read_bytes())
        for path in sorted((FIXTURES / "segment_warehouse" / "csv").iterdir())
    ]
    found += [
        ("product", "posthog", f"{name}.jsonl", "".join(map(line, rows)).encode())
        for name, rows in (
            ("events_1", EVENTS[:3]),
            ("events_2", EVENTS[2:]),
            ("persons_1", PERSONS[:5]),
            ("persons_2", PERSONS[2:]),
        )
    ]
    return found


def line(row: dict) -> str:
    return json.dumps(row) + "\n"


def contents(warehouse: BuiltWarehouse) -> dict[str, list[str]]:
    """Return the rows of every public table as sorted texts, without what is of the load."""
    found = {}
    with warehouse.connect() as connection:
        for table, columns in connection.execute(
            "select table_schema || '.' || table_name, list(column_name) "
            "from information_schema.columns where table_schema in ('marts', 'quality') group by 1"
        ).fetchall():
            left_out = ", ".join(sorted(OF_THE_LOAD.intersection(columns)))
            kept = f"* exclude ({left_out})" if left_out else "*"
            rows = connection.execute(
                f"select to_json(t)::varchar from (select {kept} from {table}) as t"
            ).fetchall()
            found[table] = sorted(text for (text,) in rows)
    return found
