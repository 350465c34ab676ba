"""Work files: how much of a text each one holds."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.loading import parts
from orchestration.loading.formats import json_documents
from orchestration.loading.parts import Part
from orchestration.loading.rejections import Rejections
from orchestration.loading.text import Batch, Rejection, read_batches, read_blocks


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


def test_rejected_records_do_not_wait_for_a_work_file_to_fill(tmp_path: Path) -> None:
    text = b"x" * (64 << 10)
    batches = (
        Batch([], [], rejections=[Rejection(row, "invalid_json", "", text=text.decode())])
        for row in range(1, 2_001)
    )
    written = parts.write_parts(batches, tmp_path, delimiter=",")
    counts = [len(part.rejections) for part in written]
    assert sum(counts) == 2_000
    assert max(counts) * len(text) <= 17 << 20


def test_a_rejected_record_holds_no_more_than_is_kept() -> None:
    assert len(Rejection(1, "invalid_json", "", text="\u00fc" * (16 << 20)).text or "") == 64 << 10


def test_many_rejected_records_are_kept_on_disk_in_order(tmp_path: Path) -> None:
    given = [Rejection(row, "invalid_json", "no JSON", text="x" * 5_000) for row in range(2_000)]
    kept = Rejections(tmp_path, given[:1_000])
    kept.extend(given[1_000:])
    assert (len(kept), list(kept), list(kept)) == (2_000, given, given)


def test_large_elements_of_an_array_come_a_few_at_a_time() -> None:
    element = json.dumps({"text": "x" * 100_000}).encode()
    array = [b"[" + element, *[b"," + element] * 99, b"]"]
    batches = list(json_documents.read_documents(array, is_array=True))
    assert sum(batch.count for batch in batches) == 100
    assert max(sum(map(len, batch.lines)) for batch in batches) < 2 << 20


def test_a_batch_does_not_hold_more_lines_the_more_is_read_at_once() -> None:
    batches = list(read_batches(read_blocks([b"a\n" * (2 << 20)])))
    assert sum(batch.count for batch in batches) == 2 << 20
    assert max(batch.count for batch in batches) <= 128 << 10


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
