"""A file several times as large as the memory limit is loaded within it. Needs /proc."""

import json
import multiprocessing
import os
import random
import re
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import duckdb
import pytest

from orchestration.loading import FileOutcome, create_raw_tables, load_source, open_warehouse
from orchestration.sources import Column, Format, RawTable, Source

STATUS = Path("/proc/self/status")
MEGABYTE = 1 << 20
LIMIT = 128 * MEGABYTE
FILE = 4 * LIMIT
# Python, DuckDB and what they import, and the pieces of the file that are on their way.
BESIDES = 192 * MEGABYTE

TABLE = RawTable(
    kind="any",
    name="any_events",
    columns=(Column("id", "bigint"), Column("text", "varchar")),
    formats=(
        Format("w3c", "w3c"),
        Format("table", "csv"),
        Format("json_lines", "json"),
        Format("parquet", "parquet"),
    ),
    mapped=False,
    on_redelivery="append",
    session_ids_from="tracker",
)


def write_json_lines(path: Path) -> int:
    chance = random.Random(1)
    record = 900
    lines = [
        json.dumps({"id": n, "text": chance.randbytes(record // 2).hex()}) for n in range(1_000)
    ]
    block = ("\n".join(lines) + "\n").encode()
    with open(path, "wb") as file:
        for _ in range(FILE // len(block) + 1):
            file.write(block)
    return len(lines) * (FILE // len(block) + 1)


def write_parquet(path: Path, row_group_size: int = 10_000) -> int:
    rows = FILE // 900
    with duckdb.connect(config={"memory_limit": "500MB"}) as connection:
        connection.execute(
            "copy (select n as id, "
            "repeat(md5(n::varchar), 28) as text "
            f"from range({rows}) as numbers (n)) to '{path}' "
            "(format parquet, compression uncompressed, dictionary_size_limit 1, "
            f"row_group_size {row_group_size})"
        )
    return rows


def write_parquet_for_one_thread(path: Path) -> int:
    """Write row groups of which the limit has room for one, not for two."""
    return write_parquet(path, row_group_size=61_440)


def write_text(path: Path) -> int:
    return _write_lines(path, "no JSON but text %d" + " and more" * 100)


def write_records_with_nan(path: Path) -> int:
    return _write_lines(path, '{"id": %d, "seconds": NaN, "text": "' + "x" * 900 + '"}')


def write_records_of_other_types(path: Path) -> int:
    return _write_lines(path, '{"id": "no %d", "text": "' + "x" * 900 + '"}')


def write_csv_of_other_types(path: Path) -> int:
    return _write_lines(path, "no %d," + "x" * 900, first="id,text\n")


def write_log_of_other_fields(path: Path) -> int:
    return _write_lines(path, "%d" + " no field" * 100, first="#Fields: id text\n")


def _write_lines(path: Path, record: str, first: str = "") -> int:
    count = LIMIT // len(record)
    with open(path, "w") as file:
        file.write(first)
        file.writelines(record % number + "\n" for number in range(count))
    return count


def write_parquet_of_other_types(path: Path) -> int:
    rows = LIMIT // 900
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select 'no ' || n as id, repeat(md5(n::varchar), 28) as text from range({rows})"
            f" as numbers (n)) to '{path}' "
            "(format parquet, compression uncompressed, row_group_size 10_000)"
        )
    return rows


def load_and_tell(folder: Path, told: Connection) -> None:
    source = Source("any", "any", "inbox", folder)
    with open_warehouse(
        folder / "w.duckdb",
        memory_limit=f"{LIMIT // MEGABYTE}MiB",
        threads=2,
        temp_dir=folder / "tmp",
    ) as connection:
        create_raw_tables(connection, {"any": TABLE}, [source])
        summary = load_source(connection, source, TABLE, folder / "landing")
    # Not getrusage: that counts what the parent held when this process was made, too.
    peak = int(re.search(r"VmHWM:\s+(\d+) kB", STATUS.read_text()).group(1)) * 1024
    told.send((summary.files, peak))


def load_in_a_process(folder: Path) -> tuple[tuple[FileOutcome, ...], int]:
    """Load what the folder holds; return what became of each file, and the most memory held."""
    processes = multiprocessing.get_context("spawn")
    telling, told = processes.Pipe(duplex=False)
    process = processes.Process(target=load_and_tell, args=(folder, told))
    process.start()
    found = telling.recv()
    process.join()
    return found


@pytest.mark.skipif(not STATUS.exists(), reason="/proc tells how much memory a process held")
@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("big.jsonl", write_json_lines),
        ("big.parquet", write_parquet),
        ("big.parquet", write_parquet_for_one_thread),
    ],
)
def test_memory_is_bounded_whatever_the_size_of_a_file(
    tmp_path: Path, name: str, write: Callable[[Path], int]
) -> None:
    (tmp_path / "inbox").mkdir()
    records = write(tmp_path / "inbox" / name)
    assert os.path.getsize(tmp_path / "inbox" / name) >= FILE
    (file,), peak = load_in_a_process(tmp_path)
    assert (file.loaded, file.reason) == (records, None)
    assert peak < LIMIT + BESIDES


@pytest.mark.skipif(not STATUS.exists(), reason="/proc tells how much memory a process held")
@pytest.mark.parametrize(
    ("name", "write", "reason"),
    [
        ("big.jsonl", write_text, "invalid_json"),
        ("big.jsonl", write_records_with_nan, "invalid_json"),
        ("big.jsonl", write_records_of_other_types, "wrong_type"),
        ("big.csv", write_csv_of_other_types, "wrong_type"),
        ("big.log", write_log_of_other_fields, "wrong_column_count"),
        ("big.parquet", write_parquet_of_other_types, "wrong_type"),
    ],
)
def test_memory_is_bounded_where_every_record_is_rejected(
    tmp_path: Path, name: str, write: Callable[[Path], int], reason: str
) -> None:
    (tmp_path / "inbox").mkdir()
    records = write(tmp_path / "inbox" / name)
    (file,), peak = load_in_a_process(tmp_path)
    assert file.reason == "too_many_rejections"
    assert file.detail.startswith(f"{records:,} of {records:,} records are rejected (100.0%; ")
    assert f"{records:,} {reason}; the first is record 1, {reason}: " in file.detail
    assert peak < LIMIT + BESIDES
