"""Work files: how much of a text each one holds."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.loading import parts
from orchestration.loading.parts import Part
from orchestration.loading.text import Batch


@pytest.mark.parametrize(
    ("part_bytes", "held"),
    [
        pytest.param(
            4000, [10, 20, 40, 40, 40, 30], id="each twice the one before, up to the most"
        ),
        pytest.param(500, [5] * 36, id="never more than the most"),
    ],
)
def test_work_files_grow_up_to_the_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part_bytes: int, held: list[int]
) -> None:
    monkeypatch.setattr(parts, "_FIRST_PART_BYTES", 1000)
    written = parts.write_parts(
        _batches(96, 180), tmp_path, delimiter=",", prefix="%d,%d", part_bytes=part_bytes
    )
    counts = [(part.count, part.path.read_bytes().count(b"\n")) for part in written]
    assert counts == [(count, count) for count in held]


def test_one_part_is_prepared_while_another_is_used_and_no_more() -> None:
    begun: list[int] = []
    for used, part in enumerate(parts.one_ahead(_prepared(300, begun))):
        assert part.count == used
        assert len(begun) <= used + 2


def test_before_preparing_waits_and_at_its_end_there_is_time_for_more() -> None:
    done: list[int] = []
    waits = threading.Event()

    def meanwhile() -> None:
        done.append(-1)
        waits.set()

    ready = parts.one_ahead(_prepared(3, done), meanwhile)
    next(ready)
    assert waits.wait(10)
    assert done == [0, 1, -1]
    assert len(list(ready)) == 2
    assert done == [0, 1, -1, 2, -1]


def test_what_goes_wrong_meanwhile_is_raised(tmp_path: Path) -> None:
    def meanwhile() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        list(parts.one_ahead(iter([Part(tmp_path / "a.work", ",")]), meanwhile))


def test_what_goes_wrong_in_preparing_is_raised_after_the_parts_before(tmp_path: Path) -> None:
    def prepared() -> Iterator[Part]:
        yield Part(tmp_path / "a.work", ",")
        raise ValueError("broken")

    ready = parts.one_ahead(prepared())
    next(ready)
    with pytest.raises(ValueError, match="broken"):
        next(ready)


def test_preparing_ends_with_whoever_wanted_the_parts(tmp_path: Path) -> None:
    closed: list[bool] = []

    def prepared() -> Iterator[Part]:
        try:
            while True:
                yield Part(tmp_path / "a.work", ",")
        finally:
            closed.append(True)

    ready = parts.one_ahead(prepared())
    next(ready)
    ready.close()
    del ready
    assert closed == [True]


def _prepared(count: int, begun: list[int]) -> Iterator[Part]:
    """Yield empty parts, each once it stands in the list that it is begun."""
    for number in range(count):
        begun.append(number)
        yield Part(Path("a.work"), ",", count=number)


def _batches(record_bytes: int, count: int) -> Iterator[Batch]:
    """Yield records of that many bytes, four with numbers and line end included, one by one."""
    for row in range(count):
        yield Batch(row_numbers=[row % 10], line_numbers=[1], lines=[b"x" * record_bytes])
