"""What an engine is asked and how long it takes. Imports no engine: each has its environment.

python -m benchmarks.engines.in_duckdb sessions FOLDER --threads 2 --memory-mb 2000
"""

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SQL = Path(__file__).parent / "sql"
TIMES = 3
"""How often a question is asked in one process; the median counts."""


@dataclass(frozen=True)
class Request:
    """What to do, in which folder, and with how much."""

    question: str
    folder: Path
    threads: int
    memory_mb: int

    @property
    def events(self) -> Path:
        """Return the Parquet file that every engine's store is made from."""
        return self.folder / "events.parquet"

    def store(self, engine: str) -> Path:
        """Return the folder of an engine's own storage."""
        return self.folder / engine

    def answer(self, engine: str) -> Path:
        """Return the Parquet file into which an engine writes its answer."""
        return self.folder / "answers" / f"{self.question}-{engine}.parquet"

    @property
    def took(self) -> Path:
        """Return the file that says how long the answer took."""
        return self.folder / "took.json"


def read_request() -> Request:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("question")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory-mb", type=int, default=2000)
    given = parser.parse_args()
    return Request(given.question, given.folder, given.threads, given.memory_mb)


def take_time(
    request: Request,
    deed: Callable[[], None],
    *,
    before: Callable[[], None] = lambda: None,
    times: int = TIMES,
) -> None:
    """Do the deed so many times and leave the medians; `before` it what no time is taken of."""
    seconds, processor_seconds = [], []
    for _ in range(times):
        before()
        began, processor_began = time.monotonic(), _processor_seconds()
        deed()
        seconds.append(time.monotonic() - began)
        processor_seconds.append(_processor_seconds() - processor_began)
    took = {
        "seconds": statistics.median(seconds),
        "processor_seconds": statistics.median(processor_seconds),
    }
    request.took.write_text(json.dumps(took))


def _processor_seconds() -> float:
    """Return what all threads of this process have used."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
