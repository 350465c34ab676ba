"""dbt's manifest of the project as it stands, parsed once."""

import json
from pathlib import Path

import pytest

from orchestration.dbt import run_dbt
from orchestration.settings import read_settings


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> dict:
    data_dir: Path = tmp_path_factory.mktemp("conventions")
    settings = read_settings({"CLICKSTREAM_DATA_DIR": str(data_dir)})
    settings.make_directories()
    assert run_dbt(settings, "--quiet", "parse", target_dir=data_dir / "target").succeeded
    return json.loads((data_dir / "target" / "manifest.json").read_text())
