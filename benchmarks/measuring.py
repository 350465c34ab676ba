"""How long a command takes and how much memory, as the kernel accounts it; and on what machine."""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
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


class CommandFailed(Exception):
    """A measured command that did not do its work; the message is what it said."""


def measure(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Measured:
    """Run the command, whole, and return its times and the peak of its resident memory."""
    began = time.monotonic()
    process = subprocess.Popen(
        command,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    if process.returncode != 0:
        raise CommandFailed(f"{' '.join(command)}\n{output.decode(errors='replace')[-4000:]}")
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if platform.system() == "Darwin" else 1024
    return Measured(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit)


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


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
