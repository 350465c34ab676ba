"""What every test may use: settings that point into a folder of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration import dbt
from orchestration.settings import Settings, read_settings
from tests.references.forked_dbt import run_forked
from tests.references.warehouses import SHARED_FOLDER


@pytest.fixture(scope="session", autouse=True)
def shared_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[None]:
    """Let the processes of a test run share what is made once."""
    folder = tmp_path_factory.getbasetemp()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SHARED_FOLDER, str(folder if worker_id == "master" else folder.parent))
        yield


@pytest.fixture(scope="session", autouse=True)
def forked_dbt() -> Iterator[None]:
    """Let what a test runs in its own process fork dbt; commands and Dagster still start it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dbt, "run_child", run_forked)
        yield


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return the project's settings with an empty data folder."""
    made = read_settings({"CLICKSTREAM_DATA_DIR": str(tmp_path / "data")})
    made.make_directories()
    return made
