"""Who may write the warehouse: one process at a time, the others wait and are told for whom.

Whoever only reads keeps writers waiting, too, for DuckDB lets nobody read what another process
writes, or write what another reads.
"""

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import IO

DEFAULT_WAIT_SECONDS = 600
_POLL_SECONDS = 0.2

_held: dict[int, "Holder"] = {}
"""What this process holds, by the descriptors that carry the locks."""


class WarehouseBusy(Exception):
    """Somebody else held the lock for longer than we may wait; the message says who."""


@dataclass(frozen=True)
class Holder:
    """The process that holds a lock, as it wrote itself into the lock file."""

    pid: int
    command: str
    since: str
    child: int | None = None
    """The dbt that it started last, which keeps the lock if the holder is killed."""

    def __str__(self) -> str:
        """Return `PID 123 (clickstream run) since 10:31`, with the date when it is not today's."""
        since = datetime.fromisoformat(self.since)
        form = "%H:%M" if since.date() == datetime.now().date() else "%Y-%m-%d %H:%M"
        return f"PID {self.pid} ({self.command}) since {since:{form}}"


@contextmanager
def hold(
    path: Path,
    command: str,
    *,
    what: str = "warehouse",
    wait_seconds: float = DEFAULT_WAIT_SECONDS,
    say: Callable[[str], None] = print,
) -> Iterator[int]:
    """Hold the lock file `path` as `command`, waiting with one message while somebody else does.

    The system releases the lock when the process has ended, however it ends, and every child that
    was given it; the file stays. Yields the descriptor that carries the lock, for whoever must
    keep it beyond an `exec`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        _acquire(file, path, what, wait_seconds, say)
        lock = file.fileno()
        since = datetime.now().isoformat(timespec="seconds")
        _held[lock] = Holder(os.getpid(), command, since)
        try:
            _write_holder(lock)
            yield lock
        finally:
            del _held[lock]
            file.truncate(0)
            fcntl.flock(file, fcntl.LOCK_UN)


def held() -> tuple[int, ...]:
    """Return the descriptors of the locks that this process holds.

    Give them to each child that writes: killed, we would leave it at work without a lock.
    """
    return tuple(_held)


def name_child(pid: int) -> None:
    """Say in the lock files which child holds the locks as well."""
    for lock in held():
        _held[lock] = replace(_held[lock], child=pid)
        _write_holder(lock)


@contextmanager
def as_standard_input(lock: int) -> Iterator[None]:
    """Give the lock to processes that are started meanwhile, by whoever hands on no more.

    dbt reads nothing from its standard input.
    """
    before = os.dup(0)
    os.dup2(lock, 0)
    try:
        yield
    finally:
        os.dup2(before, 0)
        os.close(before)


@contextmanager
def share(path: Path) -> Iterator[Holder | None]:
    """Keep writers from the lock file `path` meanwhile, for reading; yield who writes, if one does.

    Nobody is waited for: while somebody writes, there is nothing to be read.
    """
    if not path.parent.exists():
        yield None
        return
    with path.open("r" if path.exists() else "a+") as file:
        yield None if _try(file, fcntl.LOCK_SH) else _read_holder(file)


def holder(path: Path) -> Holder | None:
    """Return who holds the lock file `path` now, if anybody does."""
    with share(path) as other:
        return other


def _acquire(
    file: IO[str], path: Path, what: str, wait_seconds: float, say: Callable[[str], None]
) -> None:
    deadline = time.monotonic() + wait_seconds
    told = False
    while not _try(file, fcntl.LOCK_EX):
        other = holder(path)
        busy = f"{what} busy: {other or 'it is being read'}"
        if time.monotonic() >= deadline:
            waited = f"; waited {_duration(wait_seconds)}" if wait_seconds else ""
            raise WarehouseBusy(f"{busy}{waited}; try again when it has ended")
        # To read takes a moment, of which nobody needs to be told.
        if other and not told:
            say(f"{busy}; waiting up to {_duration(wait_seconds)}")
            told = True
        time.sleep(_POLL_SECONDS)


def _try(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write_holder(lock: int) -> None:
    os.ftruncate(lock, 0)
    os.write(lock, json.dumps(asdict(_held[lock])).encode())


def _read_holder(file: IO[str]) -> Holder:
    file.seek(0)
    try:
        found = Holder(**json.loads(file.read()))
    except (ValueError, TypeError):
        # Taken this very moment: the holder has not written itself down yet.
        return Holder(0, "starting", datetime.now().isoformat(timespec="seconds"))
    if found.child and not _is_alive(found.pid) and _is_alive(found.child):
        return replace(found, pid=found.child, command=f"dbt of {found.command}")
    return found


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's
    return True


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s"
