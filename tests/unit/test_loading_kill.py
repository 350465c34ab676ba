"""A load that is killed, whenever, and run again, ends as an undisturbed one does."""

import gzip
import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from orchestration.loading import create_raw_tables, load_source, open_warehouse
from orchestration.sources import Column, Format, RawTable, Source

PROJECT = Path(__file__).resolve().parents[2]
KILLS = 6

TABLE = RawTable(
    kind="any",
    name="any_events",
    columns=(Column("id", "varchar"), Column("n", "bigint")),
    formats=(Format("json_lines", "json"), Format("table", "csv")),
    mapped=False,
    on_redelivery="append",
    session_ids_from="tracker",
)


def load(folder: Path) -> None:
    """Load what is in the folder; also what the killed process runs."""
    source = Source("any", "any", "inbox", folder)
    with open_warehouse(
        folder / "w.duckdb", memory_limit="500MB", threads=2, temp_dir=folder / "tmp"
    ) as connection:
        create_raw_tables(connection, {"any": TABLE}, [source])
        load_source(connection, source, TABLE, folder / "landing")


def content_of(folder: Path) -> list[list[tuple[Any, ...]]]:
    with open_warehouse(
        folder / "w.duckdb", memory_limit="500MB", threads=2, temp_dir=folder / "tmp"
    ) as connection:
        return [
            connection.execute(query).fetchall()
            for query in (
                "select _file_id, _row_number, id, n, _other_fields "
                "from raw.any_events order by all",
                "select file_id, row_number, reason, record_text "
                "from raw.rejected_records order by all",
                "select load_id, file_id, path, status, records_read, records_loaded, "
                "records_rejected from raw.load_files order by all",
            )
        ]


def fill(folder: Path) -> Path:
    inbox = folder / "inbox"
    inbox.mkdir(parents=True)
    for number in range(4):
        lines = [json.dumps({"id": f"{number}-{n}", "n": n, "x": "y"}) for n in range(15_000)]
        lines[7] = "broken"
        (inbox / f"{number}.jsonl.gz").write_bytes(
            gzip.compress("\n".join(lines).encode(), mtime=0)
        )
        (inbox / f"{number}.csv").write_text(f"id,n\nc{number},1\nc{number}\n")
    return folder


def test_a_killed_load_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    load(undisturbed := fill(tmp_path / "undisturbed"))
    killed = fill(tmp_path / "killed")
    command = [
        sys.executable,
        "-c",
        f"import importlib.util as u; s = u.spec_from_file_location('k', {str(__file__)!r}); "
        "k = u.module_from_spec(s); s.loader.exec_module(k); print('go', flush=True); "
        f"k.load(k.Path({str(killed)!r}))",
    ]
    chance = random.Random(7)
    kills = 0
    for _ in range(KILLS):
        with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(chance.uniform(0.02, 0.5))
            kills += process.poll() is None
            process.kill()
    assert kills, "no load lived long enough to be killed"
    load(killed)
    expected = content_of(undisturbed)
    assert [len(rows) for rows in expected] == [4 * 15_000, 8, 8]
    assert content_of(killed) == expected
    assert list((killed / "landing").iterdir()) == []
