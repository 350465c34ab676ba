"""The benchmarks run in a folder of any name."""

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import duckdb
import pytest

from benchmarks import merely_reading, merely_sorting, questions, unpack
from benchmarks.engines import in_duckdb
from benchmarks.engines.asking import Request
from orchestration.sources import Column
from tests.unit.test_loading import TYPED


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder whose name ends a text of SQL."""
    made = tmp_path / "it's here"
    made.mkdir()
    return made


def run(program: ModuleType, patch: pytest.MonkeyPatch, *arguments: object) -> None:
    patch.setattr(sys, "argv", [program.__name__, *map(str, arguments)])
    program.main()


def write_parquet(path: Path, query: str) -> Path:
    duckdb.sql(query).write_parquet(str(path))
    return path


def rows_of(path: Path) -> list[tuple]:
    return duckdb.read_parquet(str(path)).fetchall()


def test_the_limits_read_and_sort(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, written = folder / "read.duckdb", folder / "sorted.duckdb"
    (folder / "a.jsonl").write_text('{"event_id": "2"}\n{"event_id": "1"}\n')
    run(merely_reading, monkeypatch, "generic", "json", folder / "*.jsonl", read, "200MB", 1)
    with duckdb.connect(str(read)) as connection:
        (table,) = connection.execute("select table_name from duckdb_tables()").fetchone()
    run(merely_sorting, monkeypatch, table, "event_id", read, written, "200MB", 1)
    with duckdb.connect(str(written)) as connection:
        assert connection.execute("select event_id from sorted").fetchall() == [("1",), ("2",)]


def test_the_limit_reads_parquet(folder: Path) -> None:
    path = write_parquet(folder / "a.parquet", "select 7 as a")
    table = replace(TYPED, columns=(Column("a", "integer"),))
    query = merely_reading._select(table, "parquet", str(path))
    assert duckdb.sql(query).fetchall() == [(7,)]


def test_a_file_is_unpacked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = write_parquet(folder / "packed.parquet", "select 7 as a")
    run(unpack, monkeypatch, packed, folder / "plain.parquet")
    assert rows_of(folder / "plain.parquet") == [(7,)]


def test_a_question_is_stored_and_answered(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request = Request("sessions", folder, threads=1, memory_mb=200)
    write_parquet(
        request.events,
        "select 'd' as device_id, timestamp '2026-01-01' as occurred_at, 'e' as event_id",
    )
    (folder / "models").mkdir()
    (folder / "models" / "inputs.sql").write_text("select 1")
    (folder / "answers").mkdir()
    monkeypatch.setattr(in_duckdb, "_sql", lambda _: "select count(*)::int as events from events")
    with duckdb.connect() as connection:
        in_duckdb._store(connection, request)
        in_duckdb._answer(connection, request)
    question = questions.QUESTIONS[0]
    asked = replace(request, question=question.to("duckdb"))
    request.answer("duckdb").replace(asked.answer("duckdb"))
    assert duckdb.sql(questions._answer(request, question, "duckdb")).fetchall() == [(1,)]
