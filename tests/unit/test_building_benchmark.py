"""The benchmark of the full build is honest: its limit sorts, a failed build is not measured."""

import subprocess
import sys
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from benchmarks import building
from benchmarks.measuring import Measured, measure, spread
from orchestration.settings import PROJECT_DIR


def test_the_limit_writes_every_row_sorted(tmp_path: Path) -> None:
    source, target = tmp_path / "source.duckdb", tmp_path / "target.duckdb"
    rows = [("s", "d2", 1, "a"), ("r", "d9", 5, "b"), ("s", "d1", 9, "c"), ("s", "d1", 2, None)]
    with duckdb.connect(str(source)) as connection:
        connection.execute("create schema raw")
        connection.execute(
            "create table raw.events (source text, device text, moment int, more text)"
        )
        connection.executemany("insert into raw.events values (?, ?, ?, ?)", rows)
    subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.merely_sorting"),
            *("raw.events", "source, device, moment", str(source), str(target), "200MB", "1"),
        ],
        cwd=PROJECT_DIR,
        check=True,
    )
    with duckdb.connect(str(target)) as connection:
        assert connection.execute("from sorted").fetchall() == sorted(rows, key=lambda r: r[:3])


def test_the_most_on_disk_counts_what_is_gone_at_the_end(tmp_path: Path) -> None:
    spilling = (
        "import pathlib, sys, time; spill = pathlib.Path(sys.argv[1], 'spill');"
        "spill.write_bytes(bytes(range(256)) * 8_000); time.sleep(0.5); spill.unlink()"
    )
    measured = measure([sys.executable, "-c", spilling, str(tmp_path)], watched=tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert measured.disk_bytes >= 2_000_000


@pytest.mark.parametrize(
    ("last", "accepted", "events"),
    [
        (("completed", False, True), 10, 10),
        (("started", None, None), 10, 10),
        (("completed", True, False), 10, 10),
        (("completed", True, True), 10, 9),
        (("completed", True, True), 1, 1),
    ],
)
def test_a_build_that_did_not_do_everything_is_not_measured(
    tmp_path: Path, last: tuple[object, ...], accepted: int, events: int
) -> None:
    _warehouse(tmp_path, last, accepted, events)
    with pytest.raises(SystemExit, match="expected a passed build"):
        building._check(tmp_path)


def test_a_build_that_passed_is_measured(tmp_path: Path) -> None:
    _warehouse(tmp_path, ("completed", True, True), 10, 10)
    building._check(tmp_path)


def test_ratios_are_those_of_each_turn() -> None:
    ours, limit = [_took(6), _took(30), _took(8)], [_took(2), _took(20), _took(2)]
    assert spread(ours, limit, "seconds") == "3.00 (1.50 – 4.00)"


def _took(seconds: float) -> Measured:
    return Measured(seconds, processor_seconds=0, peak_bytes=0)


def _warehouse(folder: Path, last: tuple[object, ...], accepted: int, events: int) -> None:
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        for schema in ("raw", "quality", "marts"):
            connection.execute(f"create schema {schema}")
        connection.execute(
            "create table raw.builds "
            "(recorded_at timestamp, state text, passed bool, is_whole bool)"
        )
        rows = [(datetime(2026, 1, 1), "completed", True, True), (datetime(2026, 1, 2), *last)]
        connection.executemany("insert into raw.builds values (?, ?, ?, ?)", rows)
        connection.execute(
            f"create table quality.load_files as select {accepted} as records_accepted, "
            "10 as records_read"
        )
        connection.execute(f"create table marts.events as from range({events})")
