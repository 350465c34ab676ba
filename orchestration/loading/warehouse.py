"""How the warehouse is opened and a transaction undone, how names are quoted. Imports DuckDB."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import duckdb

WAIT_SECONDS = 30
"""So long the warehouse is waited for while a program has it open that knows no lock of ours."""

_SECONDS_BETWEEN_LOOKS = 0.5

Result = TypeVar("Result")


class LoadingStopped(Exception):
    """A load that cannot go on, whatever the file: no space, no warehouse, no lock."""


def open_warehouse(
    path: Path, *, memory_limit: str, threads: int, temp_dir: Path
) -> duckdb.DuckDBPyConnection:
    """Open the warehouse for writing, in UTC, with nothing fetched from anywhere."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temp_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    config = {
        "memory_limit": memory_limit,
        "threads": str(threads),
        "temp_directory": str(temp_dir),
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "allow_community_extensions": "false",
        "allow_persistent_secrets": "false",
        "python_enable_replacements": "false",
        # Work files are overwritten in place; a cache of their contents could serve an older one.
        "enable_external_file_cache": "false",
        # Rows carry their number, so the order in which threads finish does not matter.
        "preserve_insertion_order": "false",
    }
    connection = when_free(path, lambda: duckdb.connect(str(path), config=config))
    connection.execute("set TimeZone = 'UTC'")
    # DuckDB keeps count of how far a statement is only where it may show it; it is not to.
    connection.execute("set enable_progress_bar = true")
    connection.execute("set enable_progress_bar_print = false")
    connection.execute("set progress_bar_time = 0")
    return connection


def open_to_read(path: Path, *, wait_seconds: float | None = None) -> duckdb.DuckDBPyConnection:
    """Open the warehouse for reading."""
    return when_free(path, lambda: duckdb.connect(str(path), read_only=True), wait_seconds)


def when_free(
    path: Path, open_it: Callable[[], Result], wait_seconds: float | None = None
) -> Result:
    """Open the warehouse, waiting a while for other programs, or raise LoadingStopped."""
    wait = WAIT_SECONDS if wait_seconds is None else wait_seconds
    deadline = time.monotonic() + wait
    while True:
        try:
            return open_it()
        except duckdb.IOException as error:
            if "Could not set lock" not in str(error):
                raise LoadingStopped(f"{path}: the warehouse cannot be opened: {error}") from error
            if time.monotonic() >= deadline:
                raise LoadingStopped(_open_elsewhere(path, wait, str(error))) from error
        time.sleep(_SECONDS_BETWEEN_LOOKS)


@contextmanager
def telling_progress(
    connection: duckdb.DuckDBPyConnection, tell: Callable[[float], None]
) -> Iterator[None]:
    """Tell, twice a second, what share is done of the longest statement that runs meanwhile."""
    is_over = threading.Event()

    def watch() -> None:
        most = 0.0
        while not is_over.wait(_SECONDS_BETWEEN_LOOKS):
            most = max(most, min(connection.query_progress() / 100, 1.0))
            tell(most)

    thread = threading.Thread(target=watch, name="watch-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


@contextmanager
def one_thread(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Let statements run on one thread meanwhile: slower, in about half the memory."""
    (threads,) = connection.execute("select current_setting('threads')").fetchone()
    connection.execute("set threads = 1")
    try:
        yield
    finally:
        # Not by a statement: none runs in a transaction that an error has aborted.
        connection.cursor().execute(f"set threads = {threads}")


def rows_of(connection: duckdb.DuckDBPyConnection, query: str) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a query one by one; until the last, the connection is not to be used."""
    yield from iter(connection.execute(query).fetchone, None)


def is_full_disk(error: BaseException) -> bool:
    """Tell whether the warehouse or its spill files found no more space."""
    signs = ("No space left", "failed to offload", "Could not write")
    return isinstance(error, duckdb.Error) and any(sign in str(error) for sign in signs)


def roll_back(connection: duckdb.DuckDBPyConnection, error: BaseException) -> None:
    """Undo the transaction; stop the load where the warehouse itself is what failed."""
    try:
        connection.execute("rollback")
        connection.execute("select 1").fetchall()
    except duckdb.Error as failure:
        # A transaction that was never begun, or is already undone, leaves nothing to undo.
        if not isinstance(failure, duckdb.TransactionException):
            raise LoadingStopped(_stopped(error)) from error
    if isinstance(error, duckdb.FatalException) or is_full_disk(error):
        raise LoadingStopped(_stopped(error)) from error


def identifier(name: str) -> str:
    """Return the name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return the text as a SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def file_literal(path: Path) -> str:
    """Return the path as a SQL string literal that a file reader takes as this one file."""
    return literal("".join(f"[{each}]" if each in "*?[" else each for each in str(path)))


def _open_elsewhere(path: Path, waited: float, message: str) -> str:
    found = re.search(r"held in (.*?\(PID \d+\))", message)
    return (
        f"{path} is open in another program{f', {found[1]}' if found else ''}"
        f"{f'; waited {waited:.0f} s' if waited else ''}; close it (a dbt that was started by "
        "itself, a BI tool, a notebook) and try again. To query, open the published copy instead"
    )


def _stopped(error: BaseException) -> str:
    return (
        "the warehouse cannot go on after this error; what was loaded before is safe, and loading "
        f"again continues where this ended: {type(error).__name__}: {error}"
    )
