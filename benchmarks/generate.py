"""Realistic clickstream exports of any size, the same for the same seed. Imports DuckDB.

python -m benchmarks.generate --events 1000000 --output /tmp/shop ga4_parquet ga4_json
"""

import argparse
import gzip
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import yaml

from benchmarks.quoting import literal
from orchestration.settings import read_settings
from orchestration.sources import RawTable, read_raw_tables

SQL = Path(__file__).parent / "sql"

FIRST_DAY = datetime(2025, 3, 1)
EVENTS_PER_DEVICE = 30


@dataclass(frozen=True)
class World:
    """What is generated: how much of it, over how many days, from which seed."""

    events: int
    days: int = 60
    seed: int = 1
    largest_device: float = 0.02
    """Share of the events that one device makes, a scraper."""


@dataclass(frozen=True)
class Export:
    """A form in which the same events are written, one file a day: `records` is their source."""

    kind: str
    suffix: str
    statement: Callable[[str, Sequence[str], RawTable], str]
    options: str
    is_gzipped: bool = True
    mapping: tuple[tuple[str, str], ...] = ()


def _ga4_rows(select: str, named: Sequence[str], table: RawTable) -> str:
    columns = ", ".join(
        f'cast({_field(column.name, named, "null")} as {column.data_type}) as "{column.name}"'
        for column in table.columns
    )
    return f"select {columns} from ({select})"


def _ga4_lines(select: str, named: Sequence[str], table: RawTable) -> str:
    """Return the rows as BigQuery writes them: no nulls, 64-bit integers and < > & in its way."""
    columns = ", ".join(
        f'"{column.name}" := cast("{column.name}" as '
        f"{column.data_type.replace('bigint', 'varchar')})"
        for column in table.columns
        if column.name in named
    )
    line = f"json_strip_nulls(to_json(struct_pack({columns})))::varchar"
    for character in "<>&":
        line = f"replace({line}, '{character}', '\\u{ord(character):04x}')"
    return f"select {line} as line from ({select})"


def _snowplow_lines(select: str, named: Sequence[str], table: RawTable) -> str:
    fields = ", ".join(_field(column.name, named, "''") for column in table.columns)
    return f"select {fields} from ({select})"


def _field(name: str, named: Sequence[str], missing: str) -> str:
    return f'"{name}"' if name in named else missing


def _json_lines(select: str, _named: Sequence[str], _table: RawTable) -> str:
    return f"select to_json(records)::varchar as line from ({select}) as records"


def _as_selected(select: str, _named: Sequence[str], _table: RawTable) -> str:
    return select


_LINES = "format csv, header false, quote '', escape '', delimiter '\x01'"

EXPORTS = {
    "ga4_parquet": Export("ga4", ".parquet", _ga4_rows, "format parquet", is_gzipped=False),
    "ga4_json": Export("ga4", ".jsonl.gz", _ga4_lines, _LINES),
    "snowplow": Export(
        "snowplow",
        ".tsv.gz",
        _snowplow_lines,
        "format csv, header false, quote '', escape '', delimiter '\t'",
    ),
    "segment": Export("segment", ".jsonl.gz", _json_lines, _LINES),
    "access_log": Export("access_log", ".log.gz", _as_selected, _LINES),
    "generic": Export(
        "generic",
        ".csv.gz",
        _as_selected,
        "format csv, header",
        mapping=(
            ("event_id", "id"),
            ("event_name", "event"),
            ("device_id", "visitor"),
            ("page_url", "url"),
            ("page_title", "title"),
            ("referrer_url", "referrer"),
            ("device_category", "device"),
            *((same, same) for same in ("occurred_at", "received_at", "user_id", "user_agent")),
            *((same, same) for same in ("country", "order_id", "revenue", "currency", "item_id")),
        ),
    ),
}


def generate(
    world: World,
    output: Path,
    exports: Sequence[str] = tuple(EXPORTS),
    *,
    memory_limit: str = "2GB",
    threads: int = 2,
    say: Callable[[str], None] = lambda _: None,
) -> list[Path]:
    """Write the exports into a folder each, one file per day of arrival; return their paths."""
    raw_tables = read_raw_tables(read_settings({}).staging_dir)
    output.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=output, prefix=".work-") as work,
        open_world(world, Path(work), memory_limit, threads) as connection,
        ThreadPoolExecutor(threads) as pool,
    ):
        say(f"{_count(connection):,} deliveries made")
        written: list[Path] = []
        compressing: list[Future[None]] = []
        for name in exports:
            export = EXPORTS[name]
            folder = output / name
            folder.mkdir(exist_ok=True)
            for day in range(world.days):
                date = FIRST_DAY + timedelta(days=day)
                target = folder / f"events_{date:%Y%m%d}{export.suffix}"
                plain = Path(work, f"{name}-{day}") if export.is_gzipped else target
                statement = _statement(connection, name, day, raw_tables)
                connection.execute(f"copy ({statement}) to {literal(plain)} ({export.options})")
                if export.is_gzipped:
                    compressing.append(pool.submit(_compress, plain, target))
                    if len(compressing) > threads:
                        compressing.pop(0).result()
                written.append(target)
            say(f"{name}: {world.days} files")
        for future in compressing:
            future.result()
    _write_sources(output)
    return written


@contextmanager
def open_world(
    world: World, work: Path, memory_limit: str, threads: int
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection to all deliveries of that world, made in the folder `work`."""
    config = {
        "memory_limit": memory_limit,
        "threads": str(threads),
        "temp_directory": f"{work}/tmp",
    }
    with duckdb.connect(f"{work}/world.duckdb", config=config) as connection:
        _create_world(connection, world)
        for day in range(world.days):
            connection.execute((SQL / "deliveries_of_a_day.sql").read_text(), {"day": day})
        yield connection


def _create_world(connection: duckdb.DuckDBPyConnection, world: World) -> None:
    connection.execute("set TimeZone = 'UTC'")
    variables = {
        "seed": world.seed,
        "events": world.events,
        "days": world.days,
        "devices": max(100, world.events // EVENTS_PER_DEVICE),
        "largest_device": world.largest_device,
        "first_day": FIRST_DAY,
    }
    for name, value in variables.items():
        connection.execute(f"set variable {name} = $1", [value])
    for script in ("world", "records"):
        connection.execute((SQL / f"{script}.sql").read_text())


def _count(connection: duckdb.DuckDBPyConnection) -> int:
    return connection.execute("select count(*) from deliveries").fetchone()[0]


def _statement(
    connection: duckdb.DuckDBPyConnection, name: str, day: int, raw_tables: Mapping[str, RawTable]
) -> str:
    export = EXPORTS[name]
    select = (
        (SQL / f"{export.kind}.sql").read_text().replace("from records", f"from records_of({day})")
    )
    named = [row[0] for row in connection.execute(f"describe {select}").fetchall()]
    return export.statement(select, named, raw_tables[export.kind])


def _compress(plain: Path, target: Path) -> None:
    # Neither name nor time in the header: the same content is the same file.
    with (
        open(plain, "rb") as source,
        open(target, "wb") as file,
        gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0) as packed,
    ):
        shutil.copyfileobj(source, packed, 1 << 20)
    plain.unlink()


def _write_sources(output: Path) -> None:
    """Write the sources file that loads the exports: CLICKSTREAM_SOURCES=<output>/sources.yml."""
    sources = []
    for name, export in EXPORTS.items():
        if (output / name).is_dir():
            source = {"name": name, "kind": export.kind, "path": name}
            source["own_hosts"] = ["shop.example"]
            if export.mapping:
                source["mapping"] = dict(export.mapping)
            sources.append(source)
    (output / "sources.yml").write_text(yaml.safe_dump({"sources": sources}, sort_keys=False))


def main() -> None:
    """Generate what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generate", description=__doc__)
    parser.add_argument("exports", nargs="*", choices=[*EXPORTS, []], help="which; default: all")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=World.days)
    parser.add_argument("--seed", type=int, default=World.seed)
    parser.add_argument("--largest-device", type=float, default=World.largest_device)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--memory-limit", default="2GB")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    began = time.monotonic()
    generate(
        World(given.events, given.days, given.seed, given.largest_device),
        given.output,
        given.exports or tuple(EXPORTS),
        memory_limit=given.memory_limit,
        threads=given.threads,
        say=lambda text: print(f"{time.monotonic() - began:6.1f} s  {text}", file=sys.stderr),
    )


if __name__ == "__main__":
    main()
