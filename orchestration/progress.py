"""How far a long step has come: one line of a terminal, written over and over. Pure."""

import re
import shutil
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
    rate = f", {made.records_read / made.seconds:,.0f}/s" if made.seconds > 1 else ""
    return (
        f"{made.source_name}: file {made.file_number} of {made.file_count}, "
        f"{made.records_read:,} records{rate}"
    )


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
