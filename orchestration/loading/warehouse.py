"""How the warehouse is opened for loading, and how names and values are quoted. Imports DuckDB."""

from pathlib import Path

import duckdb


class LoadingStopped(Exception):
    """A load that cannot go on, whatever the file: no space, no warehouse, no lock."""


def open_warehouse(
    path: Path, *, memory_limit: str, threads: int, temp_dir: Path
) -> duckdb.DuckDBPyConnection:
    """Open the warehouse for writing, in UTC, with nothing fetched from anywhere."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temp_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    config = {
        "memory_limit": memory_limit,
        "threads": str(threads),
        "temp_directory": str(temp_dir),
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "allow_community_extensions": "false",
        "allow_persistent_secrets": "false",
        "python_enable_replacements": "false",
        # Work files are overwritten in place; a cache of their contents could serve an older one.
        "enable_external_file_cache": "false",
        # Rows carry their number, so the order in which threads finish does not matter.
        "preserve_insertion_order": "false",
    }
    try:
        connection = duckdb.connect(str(path), config=config)
    except duckdb.IOException as error:
        raise LoadingStopped(f"{path}: the warehouse cannot be opened: {error}") from error
    connection.execute("set TimeZone = 'UTC'")
    return connection


def is_full_disk(error: BaseException) -> bool:
    """Tell whether the warehouse or its spill files found no more space."""
    signs = ("No space left", "failed to offload", "Could not write")
    return isinstance(error, duckdb.Error) and any(sign in str(error) for sign in signs)


def identifier(name: str) -> str:
    """Return the name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return the text as a SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def file_literal(path: Path) -> str:
    """Return the path as a SQL string literal that a file reader takes as this one file."""
    return literal("".join(f"[{each}]" if each in "*?[" else each for each in str(path)))
