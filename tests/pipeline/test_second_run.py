"""Running again over the same exports loads nothing and changes nothing."""

import shutil
from pathlib import Path

from orchestration import operations
from tests.references.warehouses import BuiltWarehouse, build_without_tests, settings_in


def test_a_second_run_loads_nothing_and_changes_no_mart(
    built_warehouse: BuiltWarehouse, tmp_path: Path
) -> None:
    settings = settings_in(tmp_path)
    settings.make_directories()
    shutil.copyfile(built_warehouse.settings.warehouse_path, settings.warehouse_path)
    with operations.warehouse_lock(settings, "test", say=lambda _: None):
        loads = operations.load(settings)
    assert loads
    assert {file.status for load in loads for file in load.summary.files} == {"unchanged"}
    build_without_tests(settings)
    assert fingerprints(BuiltWarehouse(settings)) == fingerprints(built_warehouse)


def fingerprints(warehouse: BuiltWarehouse) -> dict[str, tuple[int, int]]:
    """Return the row count and a hash over all rows of every public table."""
    found = {}
    with warehouse.connect() as connection:
        tables = connection.execute(
            "select table_schema || '.' || table_name from information_schema.tables "
            "where table_schema in ('marts', 'quality')"
        ).fetchall()
        for (table,) in tables:
            (found[table],) = connection.execute(
                f"select count(*), coalesce(sum(hash(t)::hugeint), 0) from {table} as t"
            ).fetchall()
    return found
