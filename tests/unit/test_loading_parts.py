"""Work files: how much of a text each one holds."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.loading import parts
from orchestration.loading.text import Batch


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "_ENOUGH_BYTES", 1000)
    monkeypatch.setattr(parts, "_ENOUGH_RECORDS", 10)


@pytest.mark.parametrize(
    ("record_bytes", "part_bytes", "held"),
    [
        pytest.param(96, 3000, 10, id="enough bytes of enough records"),
        pytest.param(46, 3000, 20, id="small records until there are enough bytes"),
        pytest.param(496, 3000, 6, id="large records up to the most"),
        pytest.param(46, 500, 10, id="never more than the most"),
    ],
)
def test_a_work_file_waits_for_enough_bytes_and_records(
    tmp_path: Path, record_bytes: int, part_bytes: int, held: int
) -> None:
    written = parts.write_parts(
        _batches(record_bytes, 60), tmp_path, delimiter=",", prefix="%d,%d", part_bytes=part_bytes
    )
    counts = [(part.count, part.path.read_bytes().count(b"\n")) for part in written]
    assert counts == [(held, held)] * (60 // held)


def _batches(record_bytes: int, count: int) -> Iterator[Batch]:
    """Yield records of that many bytes, four with numbers and line end included, one by one."""
    for row in range(count):
        yield Batch(row_numbers=[row % 10], line_numbers=[1], lines=[b"x" * record_bytes])
