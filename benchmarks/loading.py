"""Our load against DuckDB merely reading the same files: `make bench`, or

python -m benchmarks.loading --events 1000000 --pairs 5
"""

import argparse
import gzip
import shutil
import statistics
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import duckdb

from benchmarks.generate import EXPORTS, World
from benchmarks.measuring import (
    PAGE,
    Measured,
    describe_machine,
    measure,
    say,
    spread,
    write_section,
)
from benchmarks.warehouse import (
    Setting,
    add_setting,
    generated,
    read_once,
    run,
    setting_of,
)
from orchestration.settings import PROJECT_DIR

COMPARED = {"ga4_parquet": "parquet", "ga4_json": "json"}
GOALS = {"ga4_parquet": 1.3, "ga4_json": 2.0}
NAMES = {"ga4_parquet": "Parquet", "ga4_json": "gzipped JSON lines"}

BIG_FILE_LIMIT_MB = 400
BIG_FILE_TIMES = 5
"""How many times the memory limit one file is, unpacked."""

BYTES_PER_EVENT = {"ga4_parquet": 380, "ga4_json": 1_000}
"""At least: of Parquet that is neither compressed nor has dictionaries, and of text."""


def main() -> None:
    """Measure what the command line asks for, print it and write it into docs/performance.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loading", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="0: the big file only")
    parser.add_argument("--pairs", type=int, default=3)
    add_setting(parser)
    parser.add_argument("--big-file", action="store_true", help="also one beyond the memory limit")
    given = parser.parse_args()
    setting = setting_of(given)
    texts: dict[str, str] = {}
    if given.events:
        texts[f"loading {given.events:,} events"] = compare(setting, given.events, given.pairs)
    if given.big_file:
        texts["loading one file beyond the memory limit"] = load_big_files(setting)
    for title, text in texts.items():
        print(f"\n{text}")
        write_section(PAGE, title, text)


def compare(setting: Setting, events: int, pairs: int) -> str:
    """Return the table of our load beside mere reading, pair by pair in turn."""
    folder = generated(setting, World(events), list(COMPARED))
    rows = []
    for name in COMPARED:
        files = sorted((folder / name).iterdir())
        read_once(files)
        ours: list[Measured] = []
        limit: list[Measured] = []
        for pair in range(pairs):
            # Whichever goes first may find the disk busier.
            for which in ("ours", "limit") if pair % 2 == 0 else ("limit", "ours"):
                if which == "ours":
                    ours.append(load(setting, folder, name))
                else:
                    limit.append(read_merely(setting, folder, name))
            say(
                f"{name}, pair {pair + 1} of {pairs}: {ours[-1].seconds:.1f} s against "
                f"{limit[-1].seconds:.1f} s, ratio {ours[-1].seconds / limit[-1].seconds:.2f}"
            )
        rows.append(_row(name, files, ours, limit))
    return (
        f"**{events:,} events, {World.days} files of a day each, {pairs} pair(s) in turn.** "
        f"{describe_machine(setting.threads, setting.memory_limit)}.\n\n"
        "| format | on disk | our load | merely reading | ratio (least – most) | goal "
        "| of processor time | memory of ours | of merely reading |\n"
        "|---|---|---|---|---|---|---|---|---|\n" + "\n".join(rows)
    )


def load_big_files(setting: Setting) -> str:
    """Return the table of what loading one file beyond the memory limit takes."""
    at_least = BIG_FILE_TIMES * BIG_FILE_LIMIT_MB * 1_000_000
    small = replace(setting, memory_limit=f"{BIG_FILE_LIMIT_MB}MB")
    rows = []
    for name in COMPARED:
        folder = _big_file(setting, name, at_least)
        (file,) = (folder / name).iterdir()
        size = _unpacked_bytes(file)
        if size < at_least:
            raise SystemExit(f"{file}: {size:,} bytes unpacked; expected {at_least:,} at least")
        ours = load(small, folder, name)
        say(f"{name}, one file of {size / 1e9:.2f} GB: {ours.peak_bytes / 1e6:,.0f} MB resident")
        rows.append(
            f"| {NAMES[name]} | {file.stat().st_size / 1e6:,.0f} MB | {size / 1e6:,.0f} MB "
            f"| {ours.seconds:.1f} s | {ours.peak_bytes / 1e6:,.0f} MB |"
        )
    return (
        f"**One file of more than {BIG_FILE_TIMES} times the memory limit.** "
        f"{describe_machine(small.threads, small.memory_limit)}.\n\n"
        "| format | on disk | unpacked | our load | memory |\n|---|---|---|---|---|\n"
        + "\n".join(rows)
    )


def load(setting: Setting, folder: Path, name: str) -> Measured:
    """Load the exports of that name into an empty warehouse, as anyone would."""
    data_dir = setting.folder / "load"
    shutil.rmtree(data_dir, ignore_errors=True)
    measured = run(setting, folder, data_dir, "load", name)
    _check(data_dir / "warehouse.duckdb", len(list((folder / name).iterdir())))
    shutil.rmtree(data_dir)
    return measured


def read_merely(setting: Setting, folder: Path, name: str) -> Measured:
    """Let DuckDB read the exports of that name into a table of an empty database file."""
    work = setting.folder / "limit"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    measured = measure(
        [
            sys.executable,
            "-m",
            "benchmarks.merely_reading",
            EXPORTS[name].kind,
            COMPARED[name],
            str(folder / name / "*"),
            str(work / "limit.duckdb"),
            setting.memory_limit,
            str(setting.threads),
        ],
        {"PYTHONPATH": str(PROJECT_DIR)},
    )
    shutil.rmtree(work)
    return measured


def _row(
    name: str, files: Sequence[Path], ours: Sequence[Measured], limit: Sequence[Measured]
) -> str:
    size = sum(file.stat().st_size for file in files)
    return (
        f"| {NAMES[name]} | {size / 1e6:,.0f} MB "
        f"| {statistics.median(each.seconds for each in ours):.1f} s "
        f"| {statistics.median(each.seconds for each in limit):.1f} s "
        f"| {spread(ours, limit, 'seconds', is_bold=True)} "
        f"| ≤ {GOALS[name]} "
        f"| {spread(ours, limit, 'processor_seconds')} "
        f"| {max(each.peak_bytes for each in ours) / 1e6:,.0f} MB "
        f"| {max(each.peak_bytes for each in limit) / 1e6:,.0f} MB |"
    )


def _check(warehouse: Path, files: int) -> None:
    """Make sure that all was loaded: a load that failed is quick."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        found = connection.execute(
            "select count(*) filter (status = 'loaded' and records_rejected = 0) "
            "from raw.load_files"
        ).fetchall()
    if found != [(files,)]:
        raise SystemExit(f"{warehouse}: {found[0][0]} files loaded whole; expected {files}")


def _big_file(setting: Setting, name: str, at_least: int) -> Path:
    """Return the folder of one file that is at least so large when unpacked."""
    folder = generated(setting, World(at_least // BYTES_PER_EVENT[name], days=1), [name])
    unpacked = folder / f"{name}.unpacked"
    if name == "ga4_parquet" and not unpacked.exists():
        (packed,) = (folder / name).iterdir()
        plain = folder / "plain.parquet"
        # In a process of its own, as for generating.
        measure(
            [sys.executable, "-m", "benchmarks.unpack", str(packed), str(plain)],
            {"PYTHONPATH": str(PROJECT_DIR)},
        )
        plain.replace(packed)
        unpacked.touch()
    return folder


def _unpacked_bytes(file: Path) -> int:
    if file.suffix != ".gz":
        return file.stat().st_size
    with gzip.open(file) as unpacked:
        return sum(len(chunk) for chunk in iter(lambda: unpacked.read(1 << 20), b""))


if __name__ == "__main__":
    main()
