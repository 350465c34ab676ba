"""A replay that is killed before any of its steps, and run again, ends as an undisturbed one."""

import json
import multiprocessing
import shutil
from contextlib import closing
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.loading import create_raw_tables, load_source, replay_source
from orchestration.sources import Source
from tests.unit.test_loading_kill import (
    QUERIES,
    TABLE,
    CountedConnection,
    Steps,
    spread,
    unaccounted,
    warehouse,
)

KILLS = 25
RECORDS = 1_000

MENDED = replace(
    TABLE,
    columns=tuple(
        replace(column, data_type="varchar") if column.name == "n" else column
        for column in TABLE.columns
    ),
)
COMPARED = {
    **QUERIES,
    "raw.replayed_records": "select * exclude (rejected_at, replayed_at) "
    "from raw.replayed_records order by all",
}


def source(folder: Path) -> Source:
    return Source("any", "any", "inbox", folder, max_rejected_share=1)


def load_what_is_rejected(folder: Path) -> None:
    """Load three files of which a half is rejected until a number may be any text."""
    inbox = folder / "inbox"
    inbox.mkdir()
    values = [f"{n} or so" if n % 2 else str(n) for n in range(RECORDS)]
    lines = [json.dumps({"id": str(n), "n": value}) for n, value in enumerate(values)]
    (inbox / "a.jsonl").write_text("\n".join([*lines, '{"broken']))
    rows = [f"{n},{value}" for n, value in enumerate(values)]
    (inbox / "b.csv").write_text("\n".join(["id,n", *rows, "1,2,3"]))
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select n::varchar as id, case when n % 2 = 1 then n || ' or so' "
            f"else n::varchar end as n from range({RECORDS}) as rows (n)) "
            f"to '{inbox}/c.parquet'"
        )
    with warehouse(folder) as connection:
        create_raw_tables(connection, {"any": TABLE}, [source(folder)])
        load_source(connection, source(folder), TABLE, folder / "landing")
        connection.execute(f"alter table raw.{TABLE.name} alter n type varchar")
        connection.execute("create table raw.mapped_events as from raw.any_events limit 0")


def run(folder: Path, fatal: int | None, told: Connection) -> None:
    """Put through again what was rejected, and tell how many steps it took."""
    steps = Steps(fatal)
    with warehouse(folder) as connection:
        counted: Any = CountedConnection(connection, steps)
        replay_source(counted, source(folder), MENDED, folder / "landing")
    told.send(steps.taken)


def replayed(folder: Path, fatal: int | None = None) -> int | None:
    """Replay in a process of its own; return its steps, None where it was killed before one."""
    processes = multiprocessing.get_context("forkserver")
    telling, told = processes.Pipe(duplex=False)
    process = processes.Process(target=run, args=(folder, fatal, told))
    process.start()
    told.close()
    with closing(telling):
        try:
            steps = telling.recv()
        except EOFError:
            steps = None
        process.join()
    return steps


def contents(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    with warehouse(folder) as connection:
        return {name: connection.execute(query).fetchall() for name, query in COMPARED.items()}


@pytest.mark.parametrize("is_again", [False, True])
def test_killed_between_two_steps_a_replay_ends_as_an_undisturbed_one(
    tmp_path: Path, is_again: bool
) -> None:
    stage, undisturbed = tmp_path / "stage", tmp_path / "undisturbed"
    stage.mkdir()
    load_what_is_rejected(stage)
    shutil.copytree(stage, undisturbed)
    taken = replayed(undisturbed)
    expected = contents(undisturbed)
    assert len(expected["raw.replayed_records"]) == 3 * RECORDS // 2
    assert len(expected["raw.rejected_records"]) == 2
    assert taken is not None
    # The second time, each kill hits what the one before has left.
    for number, step in enumerate(spread(KILLS, taken)):
        folder = tmp_path / ("killed" if is_again else f"killed {number}")
        if not folder.exists():
            shutil.copytree(stage, folder)
        was_killed = replayed(folder, fatal=round(step) + 1) is None
        assert was_killed or is_again
        assert unaccounted(folder) == []
        if not is_again:
            assert replayed(folder) is not None
            assert contents(folder) == expected
            shutil.rmtree(folder)
    if is_again:
        assert replayed(folder) is not None
        assert contents(folder) == expected
        assert list((folder / "landing").iterdir()) == []
