"""What every test may use: settings that point into a folder of its own."""

from pathlib import Path

import pytest

from orchestration.settings import Settings, read_settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return the project's settings with an empty data folder."""
    made = read_settings({"CLICKSTREAM_DATA_DIR": str(tmp_path / "data")})
    made.make_directories()
    return made
