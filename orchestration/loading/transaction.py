"""All or nothing: a deed in one transaction, and what its failure means. Imports DuckDB."""

from collections.abc import Callable
from typing import TypeVar

import duckdb

from orchestration.loading.formats.common import NeedsCare
from orchestration.loading.landing import NO_SPACE
from orchestration.loading.reasons import FileRefused
from orchestration.loading.warehouse import LoadingStopped, roll_back

Result = TypeVar("Result")


def in_transaction(connection: duckdb.DuckDBPyConnection, deed: Callable[[], Result]) -> Result:
    """Do the deed and commit, or undo it and say why as FileRefused or LoadingStopped."""
    try:
        connection.execute("begin")
        result = deed()
        connection.execute("commit")
    except BaseException as error:
        roll_back(connection, error)
        if isinstance(error, FileRefused | LoadingStopped | NeedsCare) or not isinstance(
            error, Exception
        ):
            raise
        raise _what_it_means(error) from error
    return result


def _what_it_means(error: Exception) -> FileRefused | LoadingStopped:
    if isinstance(error, OSError) and error.errno in NO_SPACE:
        return LoadingStopped(f"no space left to load: {error}; free some and load again")
    reason = (
        "out_of_memory"
        if isinstance(error, duckdb.OutOfMemoryException | MemoryError)
        else "internal_error"
    )
    return FileRefused(reason, f"{type(error).__name__}: {str(error)[:1000]}")
