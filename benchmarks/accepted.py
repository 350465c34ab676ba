"""The generated events as one Parquet file, each once: python -m benchmarks.accepted TO EVENTS."""

import sys
import tempfile
from pathlib import Path

from benchmarks.generate import SQL, World, open_world


def main() -> None:
    """Write the file that the command line asks for."""
    write_accepted_events(World(int(sys.argv[2])), Path(sys.argv[1]))


def write_accepted_events(world: World, target: Path) -> None:
    """Write the events of that world, in the order of their arrival."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=target.parent, prefix=".work-") as work,
        open_world(world, Path(work), "2GB", 2) as connection,
    ):
        unfinished = Path(work, "events.parquet")
        query = (SQL / "accepted_events.sql").read_text()
        connection.execute(f"copy ({query}) to $1 (format parquet)", [str(unfinished)])
        unfinished.replace(target)


if __name__ == "__main__":
    main()
