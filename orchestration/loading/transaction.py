"""All or nothing: a deed in one transaction, and what its failure means. Imports DuckDB."""

from collections.abc import Callable
from typing import TypeVar

import duckdb

from orchestration.loading.formats.common import NeedsCare
from orchestration.loading.reasons import FileRefused
from orchestration.loading.warehouse import LoadingStopped, is_full_disk

Result = TypeVar("Result")


def in_transaction(connection: duckdb.DuckDBPyConnection, deed: Callable[[], Result]) -> Result:
    """Do the deed and commit, or undo it and say why as FileRefused or LoadingStopped."""
    try:
        connection.execute("begin")
        result = deed()
        connection.execute("commit")
    except BaseException as error:
        _roll_back(connection, error)
        if isinstance(error, FileRefused | LoadingStopped | NeedsCare) or not isinstance(
            error, Exception
        ):
            raise
        raise _refusal_of(error) from error
    return result


def _roll_back(connection: duckdb.DuckDBPyConnection, error: BaseException) -> None:
    """Undo the transaction; stop the load where the warehouse itself is what failed."""
    try:
        connection.execute("rollback")
        connection.execute("select 1").fetchall()
    except duckdb.Error as failure:
        # A transaction that was never begun, or is already undone, leaves nothing to undo.
        if not isinstance(failure, duckdb.TransactionException):
            raise LoadingStopped(_stopped(error)) from error
    if isinstance(error, duckdb.FatalException) or is_full_disk(error):
        raise LoadingStopped(_stopped(error)) from error


def _refusal_of(error: Exception) -> FileRefused:
    reason = (
        "out_of_memory"
        if isinstance(error, duckdb.OutOfMemoryException | MemoryError)
        else "internal_error"
    )
    return FileRefused(reason, f"{type(error).__name__}: {str(error)[:1000]}")


def _stopped(error: BaseException) -> str:
    return (
        "the warehouse cannot go on after this error; what was loaded before is safe, and loading "
        f"again continues with this file: {type(error).__name__}: {error}"
    )
