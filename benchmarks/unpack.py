"""A Parquet file without compression and dictionaries: python -m benchmarks.unpack FROM TO."""

import sys

import duckdb

from benchmarks.quoting import literal


def main() -> None:
    """Write the rows of one file into the other."""
    packed, plain = sys.argv[1:]
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (from read_parquet({literal(packed)})) to {literal(plain)} "
            "(format parquet, compression uncompressed, dictionary_size_limit 1)"
        )


if __name__ == "__main__":
    main()
