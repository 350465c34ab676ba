"""Small files share a transaction, which nothing in the warehouse tells of."""

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.loading import (
    LoadSummary,
    create_raw_tables,
    load,
    load_source,
    open_warehouse,
)
from orchestration.sources import Column, Format, RawTable, Source

TABLE = RawTable(
    kind="any",
    name="any_events",
    columns=(Column("id", "varchar"), Column("n", "bigint")),
    formats=(Format("json_lines", "json"), Format("table", "csv"), Format("parquet", "parquet")),
    mapped=False,
    on_redelivery="replace",
    session_ids_from="tracker",
)

# All but the clocks.
QUERIES = (
    "select * exclude (_loaded_at) from raw.any_events order by all",
    "select * exclude (rejected_at) from raw.rejected_records order by all",
    "select * exclude (loaded_at, load_seconds) from raw.load_files order by all",
)


class Counted:
    """A connection that counts its transactions."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self.transactions = 0

    def execute(self, sql: str, *values: Any) -> duckdb.DuckDBPyConnection:
        self.transactions += sql == "begin"
        return self._connection.execute(sql, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def lines(name: str, count: int, **first: Any) -> bytes:
    records = [{"id": f"{name}{n}", "n": n} for n in range(count)]
    records[0] |= first
    return "".join(json.dumps(each) + "\n" for each in records).encode()


GOOD = {
    "a.jsonl": lines("a", 30),
    "b.csv": b"id,n\nb1,1\nb2,2\n",
    "c.jsonl": lines("c", 10, other="kept"),
    "c_copy.jsonl": lines("c", 10, other="kept"),
}
MIXED = GOOD | {
    "aa_cut.jsonl.gz": gzip.compress(lines("cut", 500), mtime=0)[:-30],
    "b_care.jsonl": lines("care", 5, n="no number"),
    "c_rejected.jsonl": lines("r", 30) + b"broken\n" * 40,
    "d.jsonl.gz": gzip.compress(lines("d", 20), mtime=0),
    "e_empty.csv": b"nothing\nwanted\n",
    "f.jsonl": b"broken\n" + lines("f", 20),
}
RESTATED = {"a.jsonl": lines("a again ", 25), "f.jsonl": lines("f again ", 7)}


def deliver(folder: Path, files: dict[str, bytes], *, after: int = 0) -> None:
    inbox = folder / "inbox"
    inbox.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (inbox / name).write_bytes(content)
        os.utime(inbox / name, (1_700_000_000 + after,) * 2)


def load_all(folder: Path) -> tuple[LoadSummary, int]:
    source = Source("any", "any", "inbox", folder, on_redelivery="replace")
    with open_warehouse(
        folder / "w.duckdb", memory_limit="500MB", threads=2, temp_dir=folder / "tmp"
    ) as connection:
        create_raw_tables(connection, {"any": TABLE}, [source])
        counted: Any = Counted(connection)
        summary = load_source(counted, source, TABLE, folder / "landing")
    return summary, counted.transactions


def content_of(folder: Path) -> list[list[tuple[Any, ...]]]:
    with duckdb.connect(folder / "w.duckdb", read_only=True) as connection:
        return [connection.execute(query).fetchall() for query in QUERIES]


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    return lambda size: monkeypatch.setattr(load, "TOGETHER_BYTES", size)


def test_small_files_share_a_transaction(tmp_path: Path, together: Callable[[int], None]) -> None:
    deliver(tmp_path, GOOD)
    summary, transactions = load_all(tmp_path)
    assert [file.status for file in summary.files] == ["loaded", "loaded", "loaded", "repeated"]
    assert transactions == 1
    deliver(tmp_path, {name: content + b"\n" for name, content in GOOD.items()}, after=1)
    together(0)
    assert load_all(tmp_path)[1] == len(GOOD)


def test_files_beyond_the_size_do_not_share(
    tmp_path: Path, together: Callable[[int], None]
) -> None:
    together(len(GOOD["a.jsonl"]) + len(GOOD["b.csv"]))
    deliver(tmp_path, GOOD)
    assert load_all(tmp_path)[1] == 2


@pytest.mark.parametrize("size", [200, 1_000, 1 << 30])
def test_a_file_that_fails_takes_no_other_with_it(
    tmp_path: Path, together: Callable[[int], None], size: int
) -> None:
    for folder, limit in ((tmp_path / "alone", 0), (tmp_path / "together", size)):
        together(limit)
        deliver(folder, MIXED)
        first, _ = load_all(folder)
        deliver(folder, RESTATED, after=1)
        second, _ = load_all(folder)
        assert [first.count(status) for status in ("loaded", "repeated", "refused")] == [6, 1, 3]
        assert [second.count(status) for status in ("loaded", "unchanged")] == [2, 8]
        assert list((folder / "landing").iterdir()) == []
    assert content_of(tmp_path / "together") == content_of(tmp_path / "alone")
    assert all(content_of(tmp_path / "alone"))
