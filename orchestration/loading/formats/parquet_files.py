"""Parquet files as tables that are read at once: which of them can be, and how. Imports DuckDB."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb

from orchestration.loading.warehouse import file_literal

_FILE_NUMBER = "file_index"


@dataclass(frozen=True)
class ParquetFiles:
    """Files of one schema, or a single one; `columns` are names and types."""

    paths: tuple[Path, ...]
    columns: dict[str, Any]

    @cached_property
    def names(self) -> str:
        """Return the SQL list of the paths."""
        return f"[{', '.join(map(file_literal, self.paths))}]"

    @property
    def relation(self) -> str:
        """Return the SQL table function that reads them all, with file_row_number from 0."""
        return _relation(self.names)

    def value_of_file(self, values: Sequence[int]) -> str:
        """Return the SQL expression that has, in the rows of each file, the file's value."""
        if len(values) == 1:
            return str(values[0])
        listed = ", ".join(f"{value}::bigint" for value in values)
        return f"([{listed}])[{_FILE_NUMBER}::bigint + 1]"

    def told_of_files(
        self, connection: duckdb.DuckDBPyConnection, query: str
    ) -> list[tuple[Path, Any]]:
        """Return what a query of their footers (`{}`) tells; its first column is the file's."""
        path_of = {str(path): path for path in self.paths}
        rows = connection.execute(query.format(self.names)).fetchall()
        return [(path_of[name], rest) for name, *rest in rows]


def of_one_schema(
    connection: duckdb.DuckDBPyConnection, paths: Iterable[Path]
) -> list[ParquetFiles]:
    """Return the files, those together that can be read as one table."""
    every = ParquetFiles(tuple(paths), {})
    schemas: dict[Path, list[Any]] = {path: [] for path in every.paths}
    for path, element in every.told_of_files(connection, "from parquet_schema({})"):
        schemas[path].append(element)
    alike: dict[str, list[Path]] = {}
    for path, elements in schemas.items():
        # A column of that name would hide from us which file a row is of.
        is_odd = any(name.lower() == _FILE_NUMBER for name, *_ in elements)
        alike.setdefault(str(path) if is_odd else repr(elements), []).append(path)
    return [ParquetFiles(tuple(each), _columns(connection, each[0])) for each in alike.values()]


def _columns(connection: duckdb.DuckDBPyConnection, path: Path) -> dict[str, Any]:
    rows = connection.execute(
        f"describe select * exclude (file_row_number) from {_relation(file_literal(path))}"
    ).fetchall()
    return {name: duckdb.sqltype(data_type) for name, data_type, *_ in rows}


def _relation(names: str) -> str:
    # A folder named a=b above the work files is no column of theirs.
    return f"read_parquet({names}, file_row_number = true, hive_partitioning = false)"
