"""The logic of every model: dbt's own unit tests, on a copy of a built warehouse."""

import json
import re
import shutil
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from tests.references.warehouses import BuiltWarehouse, run_dbt, settings_in

OTHER_SETTINGS = {
    "reporting_timezone": "Europe/Berlin",
    "reporting_currency": "EUR",
    "session_split_on": ["midnight", "campaign_change"],
    "session_timeout_minutes": 20,
    "session_max_hours": 12,
    "engaged_session_seconds": 20,
    "future_tolerance_hours": 1,
    "page_ping_seconds": 5,
    "attribution_lookback_days": 7,
    "attribution_half_life_days": 1,
    "attribution_position_weights": [0, 1, 0],
}


def test_every_dbt_unit_test_passes(built_warehouse: BuiltWarehouse, tmp_path: Path) -> None:
    assert run_unit_tests(built_warehouse, tmp_path, "test_type:unit") >= 100


def test_unit_tests_of_models_that_read_settings_pass_whatever_these_are(
    built_warehouse: BuiltWarehouse, tmp_path: Path
) -> None:
    models = models_that_read(OTHER_SETTINGS, built_warehouse)
    assert {"int_events_named", "int_events_sessionized", "int_touches_found"} <= models
    selected = (f"{model},test_type:unit" for model in sorted(models))
    variables = ("--vars", json.dumps(OTHER_SETTINGS))
    assert run_unit_tests(built_warehouse, tmp_path, *selected, *variables) >= 20


def run_unit_tests(warehouse: BuiltWarehouse, folder: Path, *selection: str) -> int:
    """Run dbt's unit tests, and return how many there were."""
    # On a copy, since dbt wants to write and other tests may have the warehouse open.
    settings = settings_in(folder)
    settings.make_directories()
    shutil.copyfile(warehouse.settings.warehouse_path, settings.warehouse_path)
    run_dbt(settings, "test", "--select", *selection)
    results = json.loads((settings.dbt_run_dir / "run_results.json").read_text())["results"]
    ran = [each for each in results if each["unique_id"].startswith("unit_test.")]
    assert {each["status"] for each in ran} == {"pass"}
    return len(ran)


def models_that_read(settings: Iterable[str], warehouse: BuiltWarehouse) -> set[str]:
    """Return the models that read one of the settings, themselves or in a macro."""
    manifest = json.loads((warehouse.settings.dbt_run_dir / "manifest.json").read_text())
    setting_read = re.compile(rf"\bvar\(\s*['\"](?:{'|'.join(settings)})['\"]")

    @cache
    def reads_one(unique_id: str) -> bool:
        made = manifest["nodes"].get(unique_id) or manifest["macros"][unique_id]
        code = made.get("raw_code") or made.get("macro_sql") or ""
        if setting_read.search(code):
            return True
        return any(map(reads_one, made["depends_on"]["macros"]))

    return {
        node["name"]
        for unique_id, node in manifest["nodes"].items()
        if node["resource_type"] == "model" and reads_one(unique_id)
    }
