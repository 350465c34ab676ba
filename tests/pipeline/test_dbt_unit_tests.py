"""The logic of every model: dbt's own unit tests, on a copy of a built warehouse."""

import json
import shutil
from pathlib import Path

from tests.references.warehouses import BuiltWarehouse, run_dbt, settings_in


def test_every_dbt_unit_test_passes(built_warehouse: BuiltWarehouse, tmp_path: Path) -> None:
    # A copy, since dbt wants to write and other tests may have the warehouse open.
    settings = settings_in(tmp_path)
    settings.make_directories()
    shutil.copyfile(built_warehouse.settings.warehouse_path, settings.warehouse_path)
    run_dbt(settings, "test", "--select", "test_type:unit")
    results = json.loads((settings.dbt_run_dir / "run_results.json").read_text())["results"]
    ran = [each for each in results if each["unique_id"].startswith("unit_test.")]
    assert len(ran) >= 30
    assert {each["status"] for each in ran} == {"pass"}
