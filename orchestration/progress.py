"""How far a long step has come: one line of a terminal, written over and over. Pure."""

import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from orchestration.loading import Progress

# 14:02:11  17 of 320 START sql table model intermediate.int_events_accepted ..... [RUN]
_DBT_LINE = re.compile(r"^\S+ +(\d+) of (\d+) START (.*?)[ .]*\[RUN\]$")
_DBT_ENDING = "Completed with"


@contextmanager
def counter(stream: TextIO) -> Iterator[Callable[[str | None], None]]:
    """Give a function that shows a text in place of the one before, on a terminal only."""

    def show(text: str | None) -> None:
        if stream.isatty():
            width = shutil.get_terminal_size().columns - 1
            stream.write("\r\x1b[K" + ("  " + text)[:width] if text else "\r\x1b[K")
            stream.flush()

    try:
        yield show
    finally:
        show(None)


def of_load(made: Progress) -> str:
    """Return how far the load of a source has come."""
    parts = [
        f"{made.source_name}: file {made.file_number:,} of {made.file_count:,}",
        f"{size(made.bytes_read)} of {size(made.bytes_in_all)}",
    ]
    if made.seconds_left is not None:
        parts.append(f"{duration(made.seconds_left)} left")
    parts.append(f"{made.records_read:,} records")
    if made.seconds > 1:
        parts.append(f"{made.records_read / made.seconds:,.0f}/s")
    return ", ".join(parts)


def at_intervals(
    tell: Callable[[str], None], seconds: float, now: Callable[[], float] = time.monotonic
) -> Callable[[Progress], None]:
    """Return what tells how far a load has come, in so long at most once: for a log."""
    told_at = now()

    def on_progress(made: Progress) -> None:
        nonlocal told_at
        if now() - told_at >= seconds:
            told_at = now()
            tell(of_load(made))

    return on_progress


def size(count: int) -> str:
    """Return a number of bytes as people say it."""
    for limit, unit in ((1e6, "kB"), (1e9, "MB")):
        if count < limit:
            return f"{count / limit * 1e3:,.1f} {unit}"
    return f"{count / 1e9:,.1f} GB"


def duration(seconds: float) -> str:
    """Return a time to wait as people say it."""
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02}"
    return f"{whole // 3600}:{whole % 3600 // 60:02} h"


def of_dbt_line(line: str) -> str | None:
    """Return how far dbt has come by a line that it printed, or None if the line does not say."""
    match = _DBT_LINE.match(line)
    return f"{match[1]} of {match[2]}: {match[3]}" if match else None


def ending_of(lines: Sequence[str]) -> Sequence[str]:
    """Return what dbt printed at the end of a build that failed: what went wrong, node by node."""
    for number, line in enumerate(lines):
        if _DBT_ENDING in line:
            return lines[number:]
    return lines[-20:]
