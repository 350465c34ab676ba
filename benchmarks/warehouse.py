"""What loading and building have in common: generated exports, our command on a warehouse."""

import argparse
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.generate import World
from benchmarks.measuring import Measured, measure
from orchestration.settings import PROJECT_DIR


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
    folder = setting.folder / f"{world.events}-events-{world.days}-days-seed-{world.seed}"
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
                f"--output={folder}",
                f"--threads={setting.threads}",
            ],
            {"PYTHONPATH": str(PROJECT_DIR)},
        )
        for name in missing:
            (folder / f"{name}.made").touch()
    return folder


def run(
    setting: Setting, exports: Path, data_dir: Path, *command: str, program: Sequence[str] = ()
) -> Measured:
    """Run `clickstream` (or another program) on the warehouse of that folder, as anyone would."""
    program = program or [str(Path(sysconfig.get_path("scripts"), "clickstream"))]
    return measure(
        [*program, *command],
        {
            "PYTHONPATH": str(PROJECT_DIR),
            "CLICKSTREAM_DATA_DIR": str(data_dir),
            "CLICKSTREAM_SOURCES": str(exports / "sources.yml"),
            "CLICKSTREAM_MEMORY_LIMIT": setting.memory_limit,
            "CLICKSTREAM_THREADS": str(setting.threads),
        },
        watched=data_dir,
    )


def read_once(files: Sequence[Path]) -> None:
    """Bring the files into the page cache, so that nobody's first run pays for the disk."""
    for file in files:
        with open(file, "rb") as opened:
            while opened.read(1 << 20):
                pass
