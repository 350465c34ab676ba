"""The warehouse is opened as soon as other programs let it go, or it is said which has it open."""

from pathlib import Path

import duckdb
import pytest

from orchestration.loading import LoadingStopped, warehouse
from orchestration.loading.warehouse import open_to_read, open_warehouse
from tests.references.other_programs import open_elsewhere


def open_to_write(path: Path) -> duckdb.DuckDBPyConnection:
    return open_warehouse(path, memory_limit="1GB", threads=1, temp_dir=path.parent / "tmp")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a warehouse."""
    duckdb.connect(str(tmp_path / "w.duckdb")).close()
    return tmp_path / "w.duckdb"


@pytest.mark.parametrize("open_it", [open_to_write, open_to_read])
def test_what_another_program_has_open_is_waited_for(
    path: Path, monkeypatch: pytest.MonkeyPatch, open_it
) -> None:
    with open_elsewhere(path) as other:
        # Instead of a pause the other program closes the warehouse.
        monkeypatch.setattr(warehouse.time, "sleep", lambda _: other.communicate())
        open_it(path).close()


@pytest.mark.parametrize("open_it", [open_to_write, open_to_read])
def test_waiting_for_another_program_ends_with_what_to_close(
    path: Path, monkeypatch: pytest.MonkeyPatch, open_it
) -> None:
    monkeypatch.setattr(warehouse, "WAIT_SECONDS", 0)
    with open_elsewhere(path) as other, pytest.raises(LoadingStopped) as error:
        open_it(path)
    message = str(error.value)
    assert message.startswith(f"{path} is open in another program, ")
    assert f"(PID {other.pid}); close it" in message


def test_what_is_no_warehouse_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warehouse.time, "sleep", pytest.fail)
    (tmp_path / "w.duckdb").write_text("no database at all" * 1000)
    with pytest.raises(LoadingStopped, match="the warehouse cannot be opened: "):
        open_to_write(tmp_path / "w.duckdb")
