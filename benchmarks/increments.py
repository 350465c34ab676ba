"""A day's increment against a full build of the same history: `make bench`, or

python -m benchmarks.increments --events 1000000 --pairs 3
"""

import argparse
import os
import shutil
import statistics
from collections.abc import Sequence
from pathlib import Path

import duckdb

from benchmarks.generate import World
from benchmarks.measuring import (
    PAGE,
    Measured,
    describe_machine,
    say,
    spread,
    write_section,
)
from benchmarks.warehouse import (
    Setting,
    add_setting,
    generated,
    run,
    setting_of,
    what_took_longest,
)

EXPORT = "ga4_parquet"
GOAL = "1/15"


def main() -> None:
    """Measure what the command line asks for, print it and write it into docs/performance.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.increments", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--pairs", type=int, default=1)
    add_setting(parser, memory_limit="8GB")
    given = parser.parse_args()
    text = compare(setting_of(given), World(given.events), given.pairs)
    print(f"\n{text}")
    write_section(PAGE, f"an increment to {given.events:,} events", text)


def compare(setting: Setting, world: World, pairs: int) -> str:
    """Return the table of the last day's increment beside a full build, turn by turn."""
    exports = generated(setting, world, [EXPORT])
    history = build_history(setting, exports)
    days, wholes, longest = [], [], ""
    for turn in range(pairs):
        day, longest, whole = add_last_day(setting, exports, history)
        days.append(day)
        wholes.append(whole)
        say(f"turn {turn + 1} of {pairs}: {day.seconds:.1f} s the day, {whole.seconds:.1f} s anew")
    return (
        f"**The last of {world.days} days of {world.events:,} events, {pairs} turn(s) of each.** "
        f"{describe_machine(setting.threads, setting.memory_limit)}.\n\n"
        "| all anew | the day | ratio (least – most) | goal | processor time of all | of the day "
        "| ratio | memory of the day |\n"
        "|---|---|---|---|---|---|---|---|\n"
        f"| {_median(wholes, 'seconds')} | {_median(days, 'seconds')} "
        f"| {spread(days, wholes, 'seconds', is_bold=True)} | ≤ {GOAL} "
        f"| {_median(wholes, 'processor_seconds')} | {_median(days, 'processor_seconds')} "
        f"| {spread(days, wholes, 'processor_seconds')} "
        f"| {max(day.peak_bytes for day in days) / 1e6:,.0f} MB |\n\n"
        f"In seconds of the day, where two run at a time: {longest}.\n"
    )


def build_history(setting: Setting, exports: Path) -> Path:
    """Return the data folder in which all days but the last are loaded and built."""
    data_dir = exports / f"{EXPORT}.history"
    if not (data_dir / "done").exists():
        shutil.rmtree(data_dir, ignore_errors=True)
        days = sorted((exports / EXPORT).iterdir())
        earlier = data_dir / "exports" / EXPORT
        earlier.mkdir(parents=True)
        for day in days[:-1]:
            os.link(day, earlier / day.name)
        shutil.copy(exports / "sources.yml", earlier.parent)
        run(setting, earlier.parent, data_dir, "load", EXPORT)
        run(setting, earlier.parent, data_dir, "build")
        (data_dir / "done").touch()
    return data_dir


def add_last_day(setting: Setting, exports: Path, history: Path) -> tuple[Measured, str, Measured]:
    """Load the last day and build, and tell what took longest; then build the same history anew."""
    data_dir = setting.folder / "increment"
    shutil.rmtree(data_dir, ignore_errors=True)
    data_dir.mkdir(parents=True)
    shutil.copy(history / "warehouse.duckdb", data_dir)
    run(setting, exports, data_dir, "load", EXPORT)
    day = run(setting, exports, data_dir, "build")
    longest = what_took_longest(data_dir)
    by_increment = _counts(data_dir)
    _forget_all(data_dir)
    whole = run(setting, exports, data_dir, "build")
    if by_increment != _counts(data_dir):
        raise SystemExit(f"{data_dir}: {by_increment} by increment, {_counts(data_dir)} anew")
    shutil.rmtree(data_dir)
    return day, longest, whole


def _forget_all(data_dir: Path) -> None:
    """Let the next build be one from nothing."""
    with duckdb.connect(str(data_dir / "warehouse.duckdb")) as connection:
        connection.execute("delete from raw.built_from")


def _counts(data_dir: Path) -> list[tuple]:
    with duckdb.connect(str(data_dir / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute(
            """
            select 'events', count(*), sum(hash(event_id, session_id)::hugeint) from marts.events
            union all
            select 'sessions', count(*), sum(hash(s)::hugeint) from marts.sessions as s
            union all
            select 'persons', count(*), sum(hash(p)::hugeint) from marts.persons as p
            union all
            select 'touches', count(*), sum(hash(t)::hugeint) from marts.attribution_touches as t
            union all
            select 'channels', count(*), sum(hash(c)::hugeint) from marts.attribution_channels as c
            """
        ).fetchall()


def _median(turns: Sequence[Measured], of: str) -> str:
    return f"{statistics.median(getattr(each, of) for each in turns):.1f} s"


if __name__ == "__main__":
    main()
