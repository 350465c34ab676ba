"""What loading and building have in common: generated exports, our command on a warehouse."""

import argparse
import json
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.generate import World
from benchmarks.measuring import Measured, measure
from orchestration.settings import PROJECT_DIR

LONGEST = 8
"""How many of the models and tests that took longest are named."""


@dataclass(frozen=True)
class Setting:
    """Where it is measured, and with how much."""

    folder: Path
    memory_limit: str
    threads: int


def add_setting(parser: argparse.ArgumentParser, memory_limit: str = "2GB") -> None:
    """Let the command line say where it is measured, and with how much."""
    parser.add_argument("--folder", type=Path, default=PROJECT_DIR / "data" / "benchmarks")
    parser.add_argument("--memory-limit", default=memory_limit)
    parser.add_argument("--threads", type=int, default=2)


def setting_of(given: argparse.Namespace) -> Setting:
    """Return what the command line said of it."""
    return Setting(given.folder, given.memory_limit, given.threads)


def generated(setting: Setting, world: World, exports: Sequence[str]) -> Path:
    """Return the folder of the generated exports, made now unless it is there."""
    name = f"{world.events}-events-{world.days}-days-seed-{world.seed}"
    if world.largest_device != World.largest_device:
        name += f"-largest-device-{world.largest_device}"
    folder = setting.folder / name
    missing = [name for name in exports if not (folder / f"{name}.made").exists()]
    if missing:
        # In a process of its own: what a parent held counts as its child's memory on Linux.
        measure(
            [
                sys.executable,
                "-m",
                "benchmarks.generate",
                *missing,
                f"--events={world.events}",
                f"--days={world.days}",
                f"--seed={world.seed}",
                f"--largest-device={world.largest_device}",
                f"--output={folder}",
                f"--threads={setting.threads}",
            ],
            {"PYTHONPATH": str(PROJECT_DIR)},
        )
        for name in missing:
            (folder / f"{name}.made").touch()
    return folder


def run(setting: Setting, exports: Path, data_dir: Path, *command: str) -> Measured:
    """Run `clickstream` on the warehouse of that folder, as anyone would."""
    return measure(
        [str(Path(sysconfig.get_path("scripts"), "clickstream")), *command],
        {
            "PYTHONPATH": str(PROJECT_DIR),
            "CLICKSTREAM_DATA_DIR": str(data_dir),
            "CLICKSTREAM_SOURCES": str(exports / "sources.yml"),
            "CLICKSTREAM_MEMORY_LIMIT": setting.memory_limit,
            "CLICKSTREAM_THREADS": str(setting.threads),
        },
        watched=data_dir,
    )


def what_took_longest(data_dir: Path) -> str:
    """Return what models and tests of the last build of that folder took, and which most."""
    results = json.loads((data_dir / "dbt/run/run_results.json").read_text())["results"]
    seconds = {
        tuple(result["unique_id"].split(".")[:3:2]): result["execution_time"] for result in results
    }
    tests = sum(taken for (what, _), taken in seconds.items() if what == "test")
    longest = sorted(seconds, key=lambda each: -seconds[each])[:LONGEST]
    named = ", ".join(f"{name} {seconds[what, name]:.1f}" for what, name in longest)
    return f"models {sum(seconds.values()) - tests:.0f}, tests {tests:.0f}; most of it {named}"


def read_once(files: Sequence[Path]) -> None:
    """Bring the files into the page cache, so that nobody's first run pays for the disk."""
    for file in files:
        with open(file, "rb") as opened:
            while opened.read(1 << 20):
                pass
