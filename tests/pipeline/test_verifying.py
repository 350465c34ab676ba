"""Does `clickstream verify` find, with dbt itself, that increments are right on real exports?"""

from pathlib import Path

import pytest
from click.testing import CliRunner

from orchestration import cli
from tests.pipeline.test_increments import deliver
from tests.pipeline.test_load_order import deliveries
from tests.references.warehouses import settings_in


def test_increments_of_exports_are_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    exports = deliveries()
    names = dict.fromkeys((name, kind) for name, kind, *_ in exports)
    settings = settings_in(
        tmp_path, [{"name": name, "kind": kind, "path": name} for name, kind in names]
    )
    deliver(settings, exports)
    for name, value in settings.environment.items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(cli.main, ["verify"])
    assert result.exit_code == 0, result.output
    assert f"({len(exports)} files, {len(names)} sources;" in result.output
    rows = dict(line.split()[:2] for line in result.output.splitlines() if " marts." in line)
    assert int(rows["marts.events"]) and int(rows["marts.persons"])
    assert "0 tables differ" in result.output
