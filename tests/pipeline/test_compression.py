"""JSON takes little room, wherever it is stored."""

import duckdb
import pytest

from tests.references.warehouses import BuiltWarehouse


@pytest.mark.parametrize(
    ("path", "table", "column"),
    [
        ("warehouse_path", "raw.snowplow_events", "_other_fields"),
        ("warehouse_path", "intermediate.int_events_sessionized", "properties"),
        ("published_path", "marts.events", "properties"),
    ],
)
def test_json_is_compressed_with_zstd(
    built_warehouse: BuiltWarehouse, path: str, table: str, column: str
) -> None:
    with duckdb.connect(str(getattr(built_warehouse.settings, path)), read_only=True) as connection:
        found = connection.execute(
            f"select distinct compression from pragma_storage_info('{table}') "
            f"where column_name = '{column}' and segment_type = 'JSON'"
        ).fetchall()
    assert found == [("ZSTD",)]
