"""The limit of a full build: DuckDB merely reads a raw table, sorts it and writes it.

python -m benchmarks.merely_sorting TABLE COLUMNS FROM_WAREHOUSE TO_WAREHOUSE MEMORY_LIMIT THREADS
"""

import sys

import duckdb

from benchmarks.quoting import literal


def main() -> None:
    """Create the table in the one warehouse from that of the other, sorted by these columns."""
    table, columns, source, target, memory_limit, threads = sys.argv[1:]
    config = {"memory_limit": memory_limit, "threads": threads}
    with duckdb.connect(target, config=config) as connection:
        connection.execute(f"attach {literal(source)} as source (read_only)")
        connection.execute(f"create table sorted as from source.{table} order by {columns}")


if __name__ == "__main__":
    main()
