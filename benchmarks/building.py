"""Our full build against DuckDB merely reading, sorting and writing the same data: `make bench`, or

python -m benchmarks.building --events 1000000 --pairs 3
"""

import argparse
import shutil
import statistics
import sys
from collections.abc import Mapping, Sequence
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
    run,
    setting_of,
    what_took_longest,
)
from orchestration.settings import PROJECT_DIR, read_settings
from orchestration.sources import read_raw_tables

TIMELINES = {
    "ga4_parquet": "_source_name, user_pseudo_id, event_timestamp",
    "snowplow": "_source_name, domain_userid, dvce_created_tstamp",
}
"""The exports that are built, and the raw columns of source, device and time of each."""

GOAL = 2.5


def main() -> None:
    """Measure what the command line asks for, print it and write it into docs/performance.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.building", description=__doc__)
    parser.add_argument("exports", nargs="*", choices=[*TIMELINES, []], help="default: ga4_parquet")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--pairs", type=int, default=1)
    parser.add_argument("--largest-device", type=float, default=World.largest_device)
    add_setting(parser, memory_limit="8GB")
    given = parser.parse_args()
    exports = given.exports or ["ga4_parquet"]
    world = World(given.events, largest_device=given.largest_device)
    text = compare(setting_of(given), world, exports, given.pairs)
    print(f"\n{text}")
    write_section(PAGE, f"building {name_of(world)}", text)


def name_of(world: World) -> str:
    """Return what is built, in words: how many events, and whether one device made most of them."""
    events = f"{world.events:,} events"
    if world.largest_device == World.largest_device:
        return events
    return f"{events}, {world.largest_device:.0%} of them of one device"


def compare(setting: Setting, world: World, exports: Sequence[str], pairs: int) -> str:
    """Return the table of our full build beside the limit, turn by turn."""
    folder = generated(setting, world, exports)
    rows, longest = [], []
    for name in exports:
        loaded = load_once(setting, folder, name)
        runs = {"build": build, "limit": sort_merely}
        taken: dict[str, list[Measured]] = {which: [] for which in runs}
        for turn in range(pairs):
            # Whichever goes first may find the disk busier.
            for which in runs if turn % 2 == 0 else reversed(runs):
                taken[which].append(runs[which](setting, folder, name, loaded))
                if which == "build" and turn == 0:
                    longest.append(f"{name}: {what_took_longest(setting.folder / 'build')}")
            took = ", ".join(f"{each[-1].seconds:.1f} s ({which})" for which, each in taken.items())
            say(f"{name}, turn {turn + 1} of {pairs}: {took}")
        rows.append(_row(name, loaded, taken))
    return (
        f"**{name_of(world)}, {pairs} turn(s) of each.** "
        f"{describe_machine(setting.threads, setting.memory_limit)}.\n\n"
        "| export | loaded | full build | the limit | ratio (least – most) | goal "
        "| of processor time | processor time of the build "
        "| memory (the limit) | disk, with spill (the limit) |\n"
        "|---|---|---|---|---|---|---|---|---|---|\n"
        + "\n".join(rows)
        + "\n\nIn seconds, where two run at a time: "
        + "; ".join(longest)
        + ".\n"
    )


def load_once(setting: Setting, folder: Path, name: str) -> Path:
    """Return a warehouse with the exports of that name loaded and nothing built."""
    data_dir = folder / f"{name}.loaded"
    warehouse = data_dir / "warehouse.duckdb"
    if not (data_dir / "done").exists():
        shutil.rmtree(data_dir, ignore_errors=True)
        run(setting, folder, data_dir, "load", name)
        (data_dir / "done").touch()
    return warehouse


def build(setting: Setting, folder: Path, name: str, loaded: Path) -> Measured:
    """Build and test everything from what is loaded, as anyone would."""
    data_dir = _empty(setting.folder / "build")
    shutil.copy(loaded, data_dir)
    measured = run(setting, folder, data_dir, "build")
    _check(data_dir)
    (data_dir / "warehouse.duckdb").unlink()
    return measured


def sort_merely(setting: Setting, folder: Path, name: str, loaded: Path) -> Measured:
    """Let DuckDB read what is loaded, sort it and write it into an empty database file."""
    work = _empty(setting.folder / "limit")
    table = read_raw_tables(read_settings({}).staging_dir)[EXPORTS[name].kind].name
    measured = measure(
        [
            sys.executable,
            "-m",
            "benchmarks.merely_sorting",
            f"raw.{table}",
            TIMELINES[name],
            str(loaded),
            str(work / "limit.duckdb"),
            setting.memory_limit,
            str(setting.threads),
        ],
        {"PYTHONPATH": str(PROJECT_DIR)},
        watched=work,
    )
    shutil.rmtree(work)
    return measured


def _check(data_dir: Path) -> None:
    """Make sure that all was built, and tested where it should be: what stops early is quick."""
    with duckdb.connect(str(data_dir / "warehouse.duckdb"), read_only=True) as connection:
        built = connection.execute(
            "select state, passed, is_whole from raw.builds order by recorded_at desc limit 1"
        ).fetchall()
        (counts,) = connection.execute(
            "select sum(records_accepted), sum(records_read), (select count(*) from marts.events) "
            "from quality.load_files"
        ).fetchall()
    accepted, read, events = counts
    if built != [("completed", True, True)] or not 0.9 * read < accepted == events:
        raise SystemExit(
            f"{data_dir}: the build ended as {built}, with {read:,} records read, {accepted:,} "
            f"accepted and {events:,} events; expected a passed build of nearly all of them, with "
            "tests"
        )


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _row(name: str, loaded: Path, taken: Mapping[str, Sequence[Measured]]) -> str:
    ours, limit = taken["build"], taken["limit"]
    seconds = {
        which: statistics.median(each.seconds for each in turns) for which, turns in taken.items()
    }
    processor_seconds = statistics.median(each.processor_seconds for each in ours)
    return (
        f"| {name} | {loaded.stat().st_size / 1e6:,.0f} MB "
        f"| {seconds['build']:.1f} s | {seconds['limit']:.1f} s "
        f"| {spread(ours, limit, 'seconds', is_bold=True)} | ≤ {GOAL} "
        f"| {spread(ours, limit, 'processor_seconds')} "
        f"| {processor_seconds:.1f} s "
        f"| {_most(ours, 'peak_bytes')} ({_most(limit, 'peak_bytes')}) "
        f"| {_most(ours, 'disk_bytes')} ({_most(limit, 'disk_bytes')}) |"
    )


def _most(turns: Sequence[Measured], of: str) -> str:
    return f"{max(getattr(each, of) for each in turns) / 1e6:,.0f} MB"


if __name__ == "__main__":
    main()
