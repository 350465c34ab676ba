"""How long a command takes and how much memory, as the kernel accounts it; and on what machine."""

import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from orchestration.settings import PROJECT_DIR

PAGE = PROJECT_DIR / "docs" / "performance.md"


@dataclass(frozen=True)
class Measured:
    """What one run of a command took."""

    seconds: float
    processor_seconds: float
    peak_bytes: int
    disk_bytes: int = 0
    """The most that stood in the watched folder, seen ten times a second."""


class CommandFailed(Exception):
    """A measured command that did not do its work; the message is what it said."""


def measure(
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    watched: Path | None = None,
) -> Measured:
    """Run the command, whole, and return its times and the peaks of memory and watched folder."""
    began = time.monotonic()
    process = subprocess.Popen(
        command,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    with _watch(watched) as peak:
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    if process.returncode != 0:
        raise CommandFailed(f"{' '.join(command)}\n{output.decode(errors='replace')[-4000:]}")
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if platform.system() == "Darwin" else 1024
    processor_seconds = usage.ru_utime + usage.ru_stime
    return Measured(seconds, processor_seconds, usage.ru_maxrss * unit, max(peak))


def ratios(ours: Sequence[Measured], theirs: Sequence[Measured], of: str) -> list[float]:
    """Return how many times theirs we took, turn by turn."""
    return [
        getattr(mine, of) / getattr(other, of) for mine, other in zip(ours, theirs, strict=True)
    ]


def spread(
    ours: Sequence[Measured], theirs: Sequence[Measured], of: str, *, is_bold: bool = False
) -> str:
    """Return the median of these ratios, with the least and the most."""
    found = ratios(ours, theirs, of)
    mark = "**" if is_bold else ""
    return f"{mark}{statistics.median(found):.2f}{mark} ({min(found):.2f} – {max(found):.2f})"


def describe_machine(threads: int, memory_limit: str) -> str:
    """Return one line: when, on what, with which versions, and how busy the machine was."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {_processor()}, {os.cpu_count()} cores, "
        f"{memory / 2**30:.0f} GiB; {platform.system()}, Python {platform.python_version()}, "
        f"DuckDB {duckdb.__version__}; {threads} threads, memory limit {memory_limit}; "
        f"load average at the end {os.getloadavg()[1]:.1f}"
    )


def write_section(path: Path, title: str, text: str) -> None:
    """Put the text between the markers of that title in a page, at its end where it has none."""
    begin, end = f"<!-- begin: {title} -->", f"<!-- end: {title} -->"
    page = path.read_text(encoding="utf-8")
    before, found, rest = page.partition(begin)
    after = rest.partition(end)[2] if found else ""
    if not found:
        before = before.rstrip("\n") + "\n\n"
    path.write_text(f"{before}{begin}\n{text.strip()}\n{end}{after or chr(10)}", encoding="utf-8")


def say(text: str) -> None:
    """Tell whoever waits how far it is."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def _watch(folder: Path | None) -> Iterator[list[int]]:
    """Yield what the folder takes on disk, a growing list that ends with the block."""
    sizes = [0]
    ended = threading.Event()

    def look() -> None:
        while folder is not None and not ended.wait(0.1):
            sizes.append(_bytes_in(folder))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield sizes
    finally:
        ended.set()
        thread.join()
        if folder is not None:
            sizes.append(_bytes_in(folder))


def _bytes_in(folder: Path) -> int:
    total = 0
    for place, _, files in os.walk(folder):
        for file in files:
            # It may be gone by now.
            with suppress(FileNotFoundError):
                total += os.lstat(os.path.join(place, file)).st_blocks * 512
    return total


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
