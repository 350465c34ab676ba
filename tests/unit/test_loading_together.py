"""Small files share a transaction, which nothing in the warehouse tells of."""

import gzip
import io
import json
import os
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
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
    "from raw.file_fields order by all",
)


class Counted:
    """A connection that counts its transactions, and the statements that insert events."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self.transactions = 0
        self.inserts = 0

    def execute(self, sql: str, *values: Any) -> duckdb.DuckDBPyConnection:
        self.transactions += sql == "begin"
        self.inserts += sql.startswith('insert into raw."any_events"')
        return self._connection.execute(sql, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def lines(name: str, count: int, **first: Any) -> bytes:
    records = [{"id": f"{name}{n}", "n": n} for n in range(count)]
    records[0] |= first
    return "".join(json.dumps(each) + "\n" for each in records).encode()


def parquet(select: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        duckdb.execute(f"copy ({select}) to '{folder}/made.parquet' (format parquet)")
        return Path(folder, "made.parquet").read_bytes()


def zipped(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.jsonl", content)
    return packed.getvalue()


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
ALIKE = {
    "a.parquet": parquet("select 'a' || n as id, n::bigint as n from range(2, 9) t(n)"),
    "b.parquet": parquet("select 'b' || n as id, n::bigint as n from range(5) t(n)"),
    "c_other_type.parquet": parquet("select 'c' || n as id, n::double as n from range(3) t(n)"),
    "d_odd.parquet": parquet("select 'd' || n as id, n::int as file_index from range(7, 9) t(n)"),
    "d_odd_too.parquet": parquet(
        "select 'D' || n as id, 0 * n::int as file_index from range(3) t(n)"
    ),
    "e.parquet": parquet("select 'e' || n as id, n::bigint as n from range(4) t(n)"),
    "f_fraction.parquet": parquet("select 'f' || n as id, n / 2 as n from range(4) t(n)"),
    "g_lists.parquet": parquet(
        "select 'g' || n as id, [{'key': 'k' || n % 2, 'value': n}] as params, "
        "[{'x': n, 'y': null}] as items from range(4) t(n)"
    ),
    "h_lists.parquet": parquet(
        "select 'h' || n as id, [{'key': 'k' || n % 3, 'value': n}] as params, "
        "[{'x': n, 'y': null}] as items from range(6) t(n)"
    ),
    "i.jsonl": lines("i", 1030) + b'{"id": "cut", "n',
    "j.jsonl": b'{"id": "j", "n": 1, "n": 2}\n' + lines("j", 3),
    "k.zip": zipped(x=lines("kx", 3), y=b'{"id": "cut", "n', z=lines("kz", 2)),
    "l.jsonl": lines("l", 2, other={"x": [{"key": "k", "value": 1}]}),
    "l_more.jsonl": lines("L", 2, other={"x": [{"key": "k", "value": 1, "more": 2}]}),
    "m.csv": b"id,n\nm1,1\nm2,none\n",
    "n.csv": b"id,n,other\nn1,1,x\n",
    "o.csv": b"id,n\no1,1\no2,2\n",
}
RESTATED = {"a.jsonl": lines("a again ", 25), "f.jsonl": lines("f again ", 7)}


def deliver(folder: Path, files: dict[str, bytes], *, after: int = 0) -> None:
    inbox = folder / "inbox"
    inbox.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (inbox / name).write_bytes(content)
        os.utime(inbox / name, (1_700_000_000 + after,) * 2)


def load_all(folder: Path, table: RawTable = TABLE) -> tuple[LoadSummary, Counted]:
    source = Source("any", "any", "inbox", folder, on_redelivery="replace")
    with open_warehouse(
        folder / "w.duckdb", memory_limit="500MB", threads=2, temp_dir=folder / "tmp"
    ) as connection:
        create_raw_tables(connection, {"any": table}, [source])
        counted: Any = Counted(connection)
        summary = load_source(counted, source, table, folder / "landing")
    return summary, counted


def content_of(folder: Path) -> list[list[tuple[Any, ...]]]:
    with duckdb.connect(folder / "w.duckdb", read_only=True) as connection:
        return [connection.execute(query).fetchall() for query in QUERIES]


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    return lambda size: monkeypatch.setattr(load, "TOGETHER_BYTES", size)


def test_small_files_share_a_transaction(tmp_path: Path, together: Callable[[int], None]) -> None:
    deliver(tmp_path, GOOD)
    summary, counted = load_all(tmp_path)
    assert [file.status for file in summary.files] == ["loaded", "loaded", "loaded", "repeated"]
    assert counted.transactions == 1
    deliver(tmp_path, {name: content + b"\n" for name, content in GOOD.items()}, after=1)
    together(0)
    assert load_all(tmp_path)[1].transactions == len(GOOD)


def test_files_beyond_the_size_do_not_share(
    tmp_path: Path, together: Callable[[int], None]
) -> None:
    together(len(GOOD["a.jsonl"]) + len(GOOD["b.csv"]))
    deliver(tmp_path, GOOD)
    assert load_all(tmp_path)[1].transactions == 2


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


def test_files_of_one_kind_are_read_by_one_statement(
    tmp_path: Path, together: Callable[[int], None]
) -> None:
    for folder, limit in ((tmp_path / "alone", 0), (tmp_path / "together", 1 << 20)):
        together(limit)
        deliver(folder, ALIKE)
        summary, counted = load_all(folder)
        assert summary.count("loaded") == len(ALIKE)
    # Parquet of three schemas, two odd ones, JSON lines, and three headers one after the other.
    assert (counted.transactions, counted.inserts) == (1, 9)
    assert content_of(tmp_path / "together") == content_of(tmp_path / "alone")
    assert all(content_of(tmp_path / "alone"))


def test_what_all_files_nest_besides_does_not_set_them_apart(tmp_path: Path) -> None:
    table = replace(TABLE, columns=(Column("id", "varchar"), Column("place", "struct(a varchar)")))
    deliver(tmp_path, {f"{n}.jsonl": lines("x", 3, place={"a": "1", "b": n}) for n in range(4)})
    summary, counted = load_all(tmp_path, table)
    assert summary.count("loaded") == 4
    # The fast way fails for all, the surveyed one takes all.
    assert counted.transactions == 2
    with duckdb.connect(tmp_path / "w.duckdb", read_only=True) as connection:
        kept = connection.execute(
            "select _other_fields ->> '$.place.b' as b from raw.any_events where b is not null "
            "order by b"
        ).fetchall()
    assert kept == [("0",), ("1",), ("2",), ("3",)]
