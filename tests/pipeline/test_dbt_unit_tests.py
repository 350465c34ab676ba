"""The logic of every model: dbt's own unit tests, on a copy of a built warehouse."""

import json
import shutil
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("settings_of_user", [{}, OTHER_SETTINGS], ids=["default", "other"])
def test_every_dbt_unit_test_passes_whatever_the_settings(
    built_warehouse: BuiltWarehouse, tmp_path: Path, settings_of_user: dict
) -> None:
    # A copy, since dbt wants to write and other tests may have the warehouse open.
    settings = settings_in(tmp_path)
    settings.make_directories()
    shutil.copyfile(built_warehouse.settings.warehouse_path, settings.warehouse_path)
    variables = ("--vars", json.dumps(settings_of_user)) if settings_of_user else ()
    run_dbt(settings, "test", "--select", "test_type:unit", *variables)
    results = json.loads((settings.dbt_run_dir / "run_results.json").read_text())["results"]
    ran = [each for each in results if each["unique_id"].startswith("unit_test.")]
    assert len(ran) >= 30
    assert {each["status"] for each in ran} == {"pass"}
