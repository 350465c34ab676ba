"""Which of a kind's raw tables takes a file: the one whose fields the file has. Imports DuckDB."""

import json
import re
from pathlib import Path

import duckdb

from orchestration.loading.containers import (
    PARQUET_MAGIC,
    Content,
    read_contents,
    text_of,
    write_unpacked,
)
from orchestration.loading.formats import avro
from orchestration.loading.reasons import naming
from orchestration.loading.warehouse import file_literal
from orchestration.sources import RawTable

_SAMPLED_LINES = 20
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str)


def table_of(
    connection: duckdb.DuckDBPyConnection, path: Path, name: str, raw_table: RawTable
) -> RawTable:
    """Return the table that a landed file belongs to; the kind's own one where no other claims it.

    The first record that can be read decides for all: a file is of one table.
    """
    if not raw_table.further:
        return raw_table
    for content in read_contents(path, name):
        if content.head.strip():
            with naming(content.member):
                fields = _fields(connection, content, path.parent)
            found = (each for each in raw_table.further if each.recognised_by <= fields)
            return next(found, raw_table)
    return raw_table


def _fields(connection: duckdb.DuckDBPyConnection, content: Content, work_dir: Path) -> set[str]:
    if content.head.startswith(PARQUET_MAGIC):
        return _parquet_fields(connection, write_unpacked(content, work_dir))
    if content.head.startswith(avro.MAGIC):
        return avro.field_names(next(content.chunks, b""))
    return _text_fields(next(text_of(content), b""))


def _parquet_fields(connection: duckdb.DuckDBPyConnection, path: Path) -> set[str]:
    try:
        columns = connection.execute(
            f"describe from read_parquet({file_literal(path)}, hive_partitioning = false)"
        ).fetchall()
    except duckdb.Error:
        # Its reader says what is wrong with it.
        return set()
    return {name for name, *_ in columns}


def _text_fields(head: bytes) -> set[str]:
    """Return the fields of the first JSON object that can be read, else the words of a header."""
    text = head.decode("utf-8", "replace").lstrip()
    if text[:1] not in ("{", "["):
        return {word.strip(' "') for word in re.split(r"[,;\t|]", text.partition("\n")[0].strip())}
    for _ in range(_SAMPLED_LINES):
        start = text.find("{")
        if start < 0:
            break
        try:
            record, _ = _DECODER.raw_decode(text, start)
            return set(record)
        except (json.JSONDecodeError, RecursionError):
            text = text[start:].partition("\n")[2]
    return set()
