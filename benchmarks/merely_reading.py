"""The limit of a load: DuckDB merely reads the files, typed, into a table, and checks nothing.

python -m benchmarks.merely_reading KIND FORMAT FILES WAREHOUSE MEMORY_LIMIT THREADS
"""

import sys

import duckdb

from benchmarks.quoting import literal
from orchestration.settings import read_settings
from orchestration.sources import RawTable, read_raw_tables


def main() -> None:
    """Create the table of that kind in the warehouse from files of that format."""
    kind, file_format, files, warehouse, memory_limit, threads = sys.argv[1:]
    table = read_raw_tables(read_settings({}).staging_dir)[kind]
    config = {
        "memory_limit": memory_limit,
        "threads": threads,
        # As in our own load, which it makes faster and smaller.
        "preserve_insertion_order": "false",
    }
    with duckdb.connect(warehouse, config=config) as connection:
        connection.execute(f"create table {table.name} as {_select(table, file_format, files)}")


def _select(table: RawTable, file_format: str, files: str) -> str:
    if file_format == "parquet":
        names = ", ".join(f'"{column.name}"' for column in table.columns)
        return f"select {names} from read_parquet({literal(files)})"
    types = ", ".join(f"'{column.name}': '{column.data_type}'" for column in table.columns)
    return (
        f"from read_json({literal(files)}, format = 'newline_delimited', auto_detect = false, "
        f"columns = {{{types}}})"
    )


if __name__ == "__main__":
    main()
