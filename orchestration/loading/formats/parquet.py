"""Reader `parquet`: columns by name, cast to the types of the twin."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from orchestration.loading.fields import Inventory
from orchestration.loading.formats.common import (
    INTEGERS,
    NeedsCare,
    PartOutcome,
    is_whole_number,
)
from orchestration.loading.formats.headed import wrong_type
from orchestration.loading.formats.left_over import left_over, member, object_of
from orchestration.loading.formats.parquet_fields import inventories_of
from orchestration.loading.formats.parquet_files import ParquetFiles, of_one_schema
from orchestration.loading.inserting import Care, Delivery, insert_rows
from orchestration.loading.mapping import Origin, origins_of
from orchestration.loading.reasons import FileRefused
from orchestration.loading.rejections import Rejections
from orchestration.loading.warehouse import (
    identifier,
    is_full_disk,
    literal,
    one_thread,
    rows_of,
)

_NESTED = ("struct", "list", "map", "array", "union")
_FLOATS = ("float", "double")
_NOT_THE_FILES_FAULT = (
    duckdb.OutOfMemoryException,
    duckdb.FatalException,
    duckdb.TransactionException,
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.ParserException,
)


@dataclass(frozen=True)
class _Value:
    """A SQL expression, and the condition that it lost nothing (None: it never does)."""

    sql: str
    is_kept: str | None = None


def insert(
    delivery: Delivery, connection: duckdb.DuckDBPyConnection, rows_before: Mapping[Path, int]
) -> tuple[PartOutcome, dict[Path, Inventory]]:
    """Insert every row of the files whose values fit the types of the raw table.

    Return the fields of each file, too. The rows of a file are numbered after those before.
    """
    try:
        if delivery.care is Care.FAST:
            return _insert_all(delivery, connection, rows_before)
        with one_thread(connection):
            return _insert_all(delivery, connection, rows_before)
    except duckdb.OutOfMemoryException as error:
        # Each thread holds a row group.
        if delivery.care is Care.FAST and not is_full_disk(error):
            raise NeedsCare(str(error), Care.WHOLE) from error
        raise
    except _NOT_THE_FILES_FAULT:
        raise
    except duckdb.Error as error:
        if is_full_disk(error):
            raise
        raise FileRefused("parquet_invalid", str(error).partition("\n")[0]) from error


def _insert_all(
    delivery: Delivery, connection: duckdb.DuckDBPyConnection, rows_before: Mapping[Path, int]
) -> tuple[PartOutcome, dict[Path, Inventory]]:
    read = inserted = 0
    rejections = Rejections(delivery.work_dir)
    inventories: dict[Path, Inventory] = {}
    for files in of_one_schema(connection, rows_before):
        counts = _insert(delivery, connection, files, rows_before, rejections)
        read, inserted = read + counts[0], inserted + counts[1]
        inventories |= inventories_of(connection, delivery.raw_table, files)
    return PartOutcome(read, inserted, rejections), inventories


def _insert(
    delivery: Delivery,
    connection: duckdb.DuckDBPyConnection,
    files: ParquetFiles,
    rows_before: Mapping[Path, int],
    rejections: Rejections,
) -> tuple[int, int]:
    """Insert the rows, add those that do not fit to the rejections; return the counts of both."""
    relation, found = files.relation, files.columns
    before = files.value_of_file([rows_before[path] for path in files.paths])
    row_number = f"{before} + file_row_number + 1"
    (read,) = connection.execute(f"select count(*) from {relation}").fetchone()
    columns: dict[str, str] = {}
    conditions: list[str] = []
    nested: list[str] = []
    used: set[str] = set()
    for origin in origins_of(delivery.raw_table, delivery.source):
        column = next(c for c in delivery.raw_table.columns if c.name == origin.column)
        if origin.constant is not None:
            columns[origin.column] = literal(origin.constant)
            continue
        reached = _reach(origin, found)
        if reached is None:
            continue
        sql, found_type, name = reached
        wanted = duckdb.sqltype(column.data_type)
        value = _cast(sql, found_type, wanted, column.data_type)
        columns[origin.column] = value.sql
        if value.is_kept is not None:
            conditions.append(f"({sql} is null or {value.is_kept})")
        if sql == identifier(name):
            used.add(name)
            left = left_over(sql, found_type, wanted)
            if left is not None:
                nested.append(member(name, left))
    if not any(name for name in columns if name not in _constants(delivery)):
        wanted_names = ", ".join(column.name for column in delivery.raw_table.columns)[:300]
        raise FileRefused(
            "missing_required_column",
            f"its columns are {', '.join(found)[:300]}; expected one of {wanted_names}",
        )
    # By name, what is nested last, as of JSON: the same record is the same text in any file.
    unknown = [
        member(name, f"nullif(to_json({identifier(name)})::varchar, '{{}}')")
        for name in sorted(set(found) - used)
    ]
    condition = " and ".join(conditions) or "true"
    inserted = insert_rows(
        connection,
        delivery,
        relation,
        columns=columns,
        other_fields=object_of([*unknown, *nested]),
        row_number=row_number,
        condition=condition,
    )
    if inserted < read:
        fields = ", ".join(f"{identifier(name)} := {identifier(name)}" for name in found)
        left = rows_of(
            connection,
            f"select {row_number}, null, to_json(struct_pack({fields}))::varchar "
            f"from {relation} where not coalesce({condition}, false)",
        )
        rejections.extend(wrong_type(*each) for each in left)
    return read, inserted


def _constants(delivery: Delivery) -> set[str]:
    origins = origins_of(delivery.raw_table, delivery.source)
    return {origin.column for origin in origins if origin.constant is not None}


def _reach(origin: Origin, found: Mapping[str, Any]) -> tuple[str, Any, str] | None:
    """Return expression, type and top-level column of the origin where the file has it."""
    whole = ".".join(origin.path)
    if whole in found:
        return identifier(whole), found[whole], whole
    name, *inner = origin.path
    if name not in found or not inner:
        return None
    sql, data_type = identifier(name), found[name]
    for position, key in enumerate(inner):
        fields = dict(data_type.children) if data_type.id == "struct" else {}
        if key in fields:
            sql, data_type = f"{sql}.{identifier(key)}", fields[key]
            continue
        if str(data_type) in ("VARCHAR", "JSON"):
            pointer = literal(Origin("", tuple(inner[position:])).pointer)
            return f"try({sql} ->> {pointer})", duckdb.sqltype("varchar"), name
        return None
    return sql, data_type, name


def _cast(sql: str, found: Any, wanted: Any, declared: str) -> _Value:
    if str(found) == str(wanted):
        return _Value(sql)
    if str(wanted) == "VARCHAR":
        if found.id == "blob":
            return _Value(f"try(decode({sql}))", f"try(decode({sql})) is not null")
        if found.id in _NESTED:
            return _Value(f"to_json({sql})::varchar")
        return _Value(f"cast({sql} as varchar)")
    value = f"try(cast({sql} as {declared}))"
    if _always_fits(found, wanted):
        return _Value(f"cast({sql} as {declared})")
    if found.id in _FLOATS and wanted.id in INTEGERS:
        # A cast would round.
        return _Value(value, f"{value} = {sql}")
    if found.id == "varchar" and wanted.id in INTEGERS:
        return _Value(value, f"{value} is not null and {is_whole_number(sql)}")
    return _Value(value, f"{value} is not null")


def _always_fits(found: Any, wanted: Any) -> bool:
    """Tell whether every value of the one type is one of the other, by name where nested."""
    if found.id != wanted.id:
        if str(wanted) == "VARCHAR":
            return found.id not in (*_NESTED, "blob")
        signed = ("tinyint", "smallint", "integer", "bigint")
        if found.id in signed and wanted.id in signed:
            return signed.index(found.id) <= signed.index(wanted.id)
        return (found.id, wanted.id) == ("float", "double")
    if found.id == "struct":
        expected = dict(wanted.children)
        return all(
            _always_fits(child, expected[name])
            for name, child in found.children
            if name in expected
        )
    if found.id == "list":
        return _always_fits(found.children[0][1], wanted.children[0][1])
    return str(found) == str(wanted)
