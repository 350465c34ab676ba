"""A load that is killed, whenever, and run again, ends as an undisturbed one does.

Killed with SIGKILL at moments spread evenly over the load: half of them between two of its steps
(a statement, a file renamed or removed), half of them by the clock, wherever it then is, inside a
statement or a commit too. Each run is a process of its own, forked from a server that has imported
everything and opened nothing.
"""

import gzip
import json
import multiprocessing
import os
import shutil
import signal
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.loading import create_raw_tables, ledger, load_source, open_warehouse
from orchestration.loading import load as load_module
from orchestration.sources import Column, Format, RawTable, Source

KILLS_BETWEEN_STEPS = 25
KILLS_BY_THE_CLOCK = 25
RECORDS = 3_000
TOGETHER_BYTES = 60_000
"""Small enough that some files share a transaction, and large ones have one of their own."""

TABLE = RawTable(
    kind="any",
    name="any_events",
    columns=(
        Column("id", "varchar"),
        Column("n", "bigint"),
        Column("place", "struct(city varchar, zip bigint)"),
    ),
    formats=(
        Format("json_lines", "json"),
        Format("table", "csv"),
        Format("parquet", "parquet"),
    ),
    mapped=False,
    on_redelivery="replace",
    session_ids_from="tracker",
)
MAPPED = replace(
    TABLE,
    kind="mapped",
    name="mapped_events",
    columns=(Column("id", "varchar"), Column("n", "varchar")),
    mapped=True,
    on_redelivery="append",
)

# All but the clocks: when a row was loaded or rejected, and how long that took.
QUERIES = {
    "raw.any_events": "select * exclude (_loaded_at) from raw.any_events order by all",
    "raw.mapped_events": "select * exclude (_loaded_at) from raw.mapped_events order by all",
    "raw.rejected_records": "select * exclude (rejected_at) from raw.rejected_records order by all",
    "raw.load_files": "select * exclude (loaded_at, load_seconds) from raw.load_files order by all",
}


def json_lines(name: str, broken: int, records: int = RECORDS) -> bytes:
    lines = [
        json.dumps({"id": f"{name}-{n}", "n": n, "place": {"city": "Bonn", "zip": n}, "other": n})
        for n in range(records)
    ]
    lines[10] = lines[11]
    for number in range(broken):
        lines[100 + number] = '{"id": broken'
    return "\n".join(lines).encode()


def write(path: Path, content: bytes, when: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (1_700_000_000 + when, 1_700_000_000 + when))


def first_delivery(folder: Path) -> None:
    inbox = folder / "inbox"
    write(inbox / "day1.jsonl.gz", gzip.compress(json_lines("a", 3), mtime=0), 1)
    write(inbox / "day2.csv", b"id,n\nb1,1\nb2\nb3,3\n", 2)


def second_delivery(folder: Path) -> None:
    """Write new files of every kind, and one of the first delivery's again, restated."""
    inbox = folder / "inbox"
    write(inbox / "day1.jsonl.gz", gzip.compress(json_lines("a2", 5), mtime=0), 11)
    rows = "".join(f"c{n},{n}\n" for n in range(RECORDS))
    write(inbox / "day3.csv", f"id,n\nonly one\n{rows}".encode(), 12)
    write(inbox / "day3_copy.csv", f"id,n\nonly one\n{rows}".encode(), 13)
    write(inbox / "day4.jsonl.gz", gzip.compress(json_lines("d", 1), mtime=0)[:-2000], 14)
    with zipfile.ZipFile(inbox / "day5.zip", "w") as archive:
        for member in ("e1", "e2"):
            entry = zipfile.ZipInfo(f"{member}.jsonl")
            archive.writestr(entry, json_lines(member, 2, RECORDS // 2))
    write(inbox / "day5.zip", (inbox / "day5.zip").read_bytes(), 15)
    with duckdb.connect() as connection:
        connection.execute(
            "copy (select 'f' || n as id, n, {city: 'Ulm', zip: n} as place, n as other "
            f"from range({RECORDS}) as rows (n)) to '{inbox}/day6.parquet'"
        )
    write(inbox / "day6.parquet", (inbox / "day6.parquet").read_bytes(), 16)
    write(folder / "mapped" / "day7.jsonl.gz", gzip.compress(json_lines("g", 4), mtime=0), 17)


# ---------------------------------------------------------------- what the processes run


class Steps:
    """Counts the steps of a load, and kills its process before one of them."""

    def __init__(self, fatal: int | None = None) -> None:
        self.taken = 0
        self.fatal = fatal

    def counted(self, deed: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **options: Any) -> Any:
            self.taken += 1
            if self.taken == self.fatal:
                os.kill(os.getpid(), signal.SIGKILL)
            return deed(*arguments, **options)

        return step


class CountedConnection:
    """A connection each statement of which is a step."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, steps: Steps) -> None:
        self._connection = connection
        self.execute = steps.counted(connection.execute)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


@contextmanager
def warehouse(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_warehouse(
        folder / "w.duckdb", memory_limit="500MB", threads=2, temp_dir=folder / "tmp"
    ) as connection:
        yield connection


def load(folder: Path, steps: Steps) -> None:
    sources = (
        (Source("any", "any", "inbox", folder, on_redelivery="replace"), TABLE),
        (Source("mapped", "mapped", "mapped", folder, mapping={"id": "id", "n": "n"}), MAPPED),
    )
    with warehouse(folder) as connection:
        counted: Any = CountedConnection(connection, steps)
        create_raw_tables(
            counted, {"any": TABLE, "mapped": MAPPED}, [source for source, _ in sources]
        )
        for source, table in sources:
            load_source(counted, source, table, folder / "landing")


def end_transaction_before_the_ledger() -> None:
    """Plant the defect that this test is there to find."""
    write_row = ledger.write_row

    def later(connection: duckdb.DuckDBPyConnection, *rest: Any) -> None:
        connection.execute("commit")
        connection.execute("begin")
        write_row(connection, *rest)

    ledger.write_row = later


def run(folder: Path, fatal: int | None, is_defective: bool, told: Connection) -> None:
    """Load, and tell when it begins and how many steps it took; die before the fatal one."""
    load_module.TOGETHER_BYTES = TOGETHER_BYTES
    steps = Steps(fatal)
    os.replace = steps.counted(os.replace)
    os.unlink = steps.counted(os.unlink)
    if is_defective:
        end_transaction_before_the_ledger()
    told.send("begins")
    load(folder, steps)
    told.send(steps.taken)


# ---------------------------------------------------------------- killing, and looking


@dataclass(frozen=True)
class Run:
    steps: int | None
    seconds: float


@pytest.fixture(scope="module")
def processes() -> Any:
    return multiprocessing.get_context("forkserver")


def start(
    processes: Any,
    folder: Path,
    *,
    fatal: int | None = None,
    after: float | None = None,
    is_defective: bool = False,
) -> Run:
    """Run a load in a process of its own; kill it before a step, or after so many seconds."""
    telling, told = processes.Pipe(duplex=False)
    process = processes.Process(target=run, args=(folder, fatal, is_defective, told))
    process.start()
    told.close()
    with closing(telling):
        assert telling.recv() == "begins"
        began = time.monotonic()
        if after is not None:
            time.sleep(after)
            process.kill()
        try:
            steps = telling.recv()
        except EOFError:
            steps = None
        seconds = time.monotonic() - began
        process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return Run(steps, seconds)


def contents(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    with warehouse(folder) as connection:
        return {name: connection.execute(query).fetchall() for name, query in QUERIES.items()}


def unaccounted(folder: Path) -> list[tuple[Any, ...]]:
    """Return the files of which the ledger does not say what the tables hold."""
    with warehouse(folder) as connection:
        if not connection.execute(
            "select 1 from duckdb_tables() where table_name = 'load_files'"
        ).fetchall():
            return []
        return connection.execute(
            """
            select *
            from (
                select file_id, count(*) as records
                from (
                    select _file_id as file_id from raw.any_events
                    union all
                    select _file_id from raw.mapped_events
                    union all
                    select file_id from raw.rejected_records
                )
                group by file_id
            ) as held
            full join (
                select file_id, records_read
                from raw.load_files
                where status = 'loaded' and superseded_by_file_id is null
            ) as written using (file_id)
            where records is distinct from records_read
            """
        ).fetchall()


@dataclass(frozen=True)
class Stage:
    """A warehouse with a first delivery loaded and a second one waiting."""

    folder: Path
    expected: dict[str, list[tuple[Any, ...]]]
    undisturbed: Run


@pytest.fixture(scope="module")
def stage(processes: Any, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    folder = tmp_path_factory.mktemp("stage")
    first_delivery(folder)
    start(processes, folder)
    second_delivery(folder)
    undisturbed = tmp_path_factory.mktemp("undisturbed") / "copy"
    shutil.copytree(folder, undisturbed)
    runs = start(processes, undisturbed)
    return Stage(folder, contents(undisturbed), runs)


def spread(count: int, total: float) -> list[float]:
    return [(number + 0.5) * total / count for number in range(count)]


@dataclass(frozen=True)
class Outcome:
    """What is not as it should be after a killed load was run again."""

    was_killed: bool
    differences: list[str]


def killed_and_run_again(
    processes: Any, stage: Stage, folder: Path, *, is_defective: bool = False, **death: Any
) -> Outcome:
    shutil.copytree(stage.folder, folder)
    killed = start(processes, folder, is_defective=is_defective, **death)
    found = [] if not unaccounted(folder) else ["ledger after the kill"]
    start(processes, folder, is_defective=is_defective)
    after = contents(folder)
    found += [name for name in QUERIES if after[name] != stage.expected[name]]
    found += [f"left over: {path.name}" for path in (folder / "landing").iterdir()]
    shutil.rmtree(folder)
    return Outcome(killed.steps is None, [f"{death}: {each}" for each in found])


def test_the_undisturbed_load_holds_what_it_should(stage: Stage) -> None:
    held = {name: len(rows) for name, rows in stage.expected.items()}
    assert held == {
        # four files of 3,000, less the broken ones; a copy and a damaged file add nothing
        "raw.any_events": (RECORDS - 5) + 2 + RECORDS + (RECORDS - 4) + RECORDS,
        "raw.mapped_events": RECORDS - 4,
        "raw.rejected_records": 5 + 1 + 1 + 4 + 4,
        "raw.load_files": 9,
    }


def test_killed_between_two_steps_a_load_ends_as_an_undisturbed_one(
    processes: Any, stage: Stage, tmp_path: Path
) -> None:
    assert stage.undisturbed.steps is not None
    moments = [round(step) + 1 for step in spread(KILLS_BETWEEN_STEPS, stage.undisturbed.steps)]
    assert len(set(moments)) == KILLS_BETWEEN_STEPS
    for moment in moments:
        outcome = killed_and_run_again(processes, stage, tmp_path / "killed", fatal=moment)
        assert outcome == Outcome(was_killed=True, differences=[])


def test_killed_by_the_clock_a_load_ends_as_an_undisturbed_one(
    processes: Any, stage: Stage, tmp_path: Path
) -> None:
    outcomes = [
        killed_and_run_again(processes, stage, tmp_path / "killed", after=moment)
        for moment in spread(KILLS_BY_THE_CLOCK, stage.undisturbed.seconds)
    ]
    assert not [found for outcome in outcomes for found in outcome.differences]
    # On a machine that does other things too, a load may have ended before its moment came.
    assert any(outcome.was_killed for outcome in outcomes)


def test_a_ledger_in_a_transaction_of_its_own_would_be_found(
    processes: Any, stage: Stage, tmp_path: Path
) -> None:
    assert stage.undisturbed.steps is not None
    # Two statements more per file: between them the file's records are there, its row is not.
    assert any(
        killed_and_run_again(
            processes, stage, tmp_path / "killed", is_defective=True, fatal=moment
        ).differences
        for moment in range(stage.undisturbed.steps // 2, stage.undisturbed.steps)
    )
