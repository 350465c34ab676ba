"""A long load tells how far it has come, in records and in bytes of the files to be read."""

import gzip
import random
import time
import zipfile
from functools import partial
from pathlib import Path

import duckdb
import pytest

from orchestration.loading import Progress, load_source, reading
from orchestration.loading.parts import write_parts
from orchestration.loading.warehouse import telling_progress
from tests.unit.test_loading import TYPED, Shop


@pytest.fixture
def shop(tmp_path: Path):
    made = Shop(tmp_path, TYPED)
    yield made
    made.connection.close()


def told_by(here: Shop) -> list[Progress]:
    told: list[Progress] = []
    load_source(
        here.connection, here.source, TYPED, here.folder / "landing", on_progress=told.append
    )
    return told


def lines(count: int) -> bytes:
    chance = random.Random(3)
    return b"".join(b'{"id": "%032x%032x"}\n' % (chance.getrandbits(128), n) for n in range(count))


def test_only_files_that_are_to_be_read_count(shop: Shop) -> None:
    shop.put("a.jsonl", lines(10))
    told_by(shop)
    sizes = [shop.put(name, lines(count)).stat().st_size for name, count in (("b", 5), ("c", 7))]
    told = told_by(shop)
    assert {(each.file_count, each.bytes_in_all) for each in told} == {(2, sum(sizes))}
    assert [each.file_number for each in told] == sorted(each.file_number for each in told)
    assert (told[0].records_read, told[0].bytes_read) == (0, 0)
    assert (told[-1].records_read, told[-1].bytes_read) == (12, sum(sizes))


@pytest.mark.parametrize("name", ["plain", "gzip", "zip"])
def test_within_a_file_its_own_bytes_tell_how_far_it_is_read(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(
        reading,
        "write_parts",
        lambda *args, **options: write_parts(*args, **{**options, "part_bytes": 1 << 20}),
    )
    content = lines(400_000)
    path = shop.inbox / "a"
    if name == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("x.jsonl", content)
    else:
        path.write_bytes(gzip.compress(content, 1) if name == "gzip" else content)
    told = told_by(shop)
    sizes = [each.bytes_read for each in told]
    assert sizes == sorted(sizes)
    assert sizes[-1] == path.stat().st_size
    within = [each for each in told if 0 < each.bytes_read < sizes[-1]]
    assert len(within) > 2
    for each in within:
        # The reader is a chunk of 4 MiB ahead of what is inserted.
        share = each.records_read / 400_000
        assert abs(each.bytes_read / sizes[-1] - share) < 0.3


def test_while_a_statement_runs_its_share_is_told(shop: Shop) -> None:
    told: list[float] = []
    with telling_progress(shop.connection, told.append):
        began = time.monotonic()
        while time.monotonic() - began < 2:
            shop.connection.execute(
                "create or replace temp table t as select md5(n::varchar) from range(3e6::int) t(n)"
            )
    assert told == sorted(told)
    assert told[-1] > 0
    assert all(0 <= each <= 1 for each in told)


def test_a_parquet_file_tells_how_far_its_statement_is(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shop.inbox / "a.parquet"
    duckdb.execute(f"copy (select '1' as id, 1 as n) to '{path}' (format parquet)")
    told: list[tuple[int, int]] = []

    class Half:
        def __init__(self, connection, tell) -> None:
            tell(0.5)

        def __enter__(self) -> None: ...

        def __exit__(self, *_) -> None: ...

    monkeypatch.setattr(reading, "telling_progress", Half)
    told = [(each.records_read, each.bytes_read) for each in told_by(shop)]
    size = path.stat().st_size
    assert told == [(0, 0), (0, size // 2), (1, size), (1, size)]


def test_the_time_left_follows_from_the_bytes() -> None:
    begun = partial(Progress, "s", "a", 1, 1, 10)
    assert begun(25, 100, 10.0).seconds_left == 30
    assert begun(0, 100, 10.0).seconds_left is None
    assert begun(25, 100, 0.5).seconds_left is None
