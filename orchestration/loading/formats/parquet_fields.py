"""The fields of a Parquet file: the footer counts most of them, lists and JSON are looked into.

Of files with more than 122,880 rows, lists are looked at in every 32nd block of 2,048 rows: DuckDB
decodes no other block then.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from orchestration.loading.fields import (
    MAX_KINDS,
    FieldCounts,
    FieldPath,
    Inventory,
    count_json,
    json_columns,
)
from orchestration.loading.inserting import Delivery
from orchestration.loading.warehouse import file_literal, identifier, literal

_WHOLE_ROWS = 122_880
_BLOCK_ROWS = 2048
_SAMPLE_EVERY = 32
_KEYED = ["key", "value"]

_TYPES = {
    "varchar": "string",
    "float": "number",
    "double": "number",
    "decimal": "number",
    **{
        f"{sign}{size}": "integer"
        for sign in ("", "u")
        for size in ("tinyint", "smallint", "integer", "bigint", "hugeint")
    },
}


def inventory_of(
    delivery: Delivery, path: Path, connection: duckdb.DuckDBPyConnection
) -> Inventory:
    """Return the fields of the file, with the number of rows that hold something in each."""
    relation = f"read_parquet({file_literal(path)}, file_row_number = true)"
    (row_count,) = connection.execute(f"select count(*) from {relation}").fetchone()
    inventory = Inventory(row_count)
    filled = _filled_by_footer(connection, path)
    texts_of_json = json_columns(delivery.raw_table)
    looked_into: list[tuple[FieldPath, Any]] = []
    structs: set[FieldPath] = set()
    for name, column_type, *_ in connection.execute(
        f"describe select * exclude (file_row_number) from {relation}"
    ).fetchall():
        for leaf, leaf_type in _leaves((name,), duckdb.sqltype(column_type)):
            structs.update(leaf[:depth] for depth in range(1, len(leaf)))
            count = filled.get(", ".join(leaf))
            is_json = leaf_type.id == "varchar" and name in texts_of_json
            if is_json or leaf_type.id in ("list", "array", "map") or count is None:
                looked_into.append((leaf, duckdb.sqltype("json") if is_json else leaf_type))
            elif count:
                inventory.counts[leaf, _type_name(leaf_type)] = count
    if looked_into:
        _look_into(connection, inventory, relation, looked_into)
    for struct in structs:
        # The footer counts no struct: one is there where its fullest member is.
        held = [count for (path, _), count in inventory.counts.items() if _is_in(path, struct)]
        if held:
            inventory.counts[struct, "object"] = max(held)
    return inventory


def _is_in(path: FieldPath, struct: FieldPath) -> bool:
    return len(path) > len(struct) and path[: len(struct)] == struct


def _leaves(path: FieldPath, data_type: Any) -> Iterator[tuple[FieldPath, Any]]:
    if data_type.id == "struct":
        for name, child in data_type.children:
            yield from _leaves((*path, name), child)
    else:
        yield path, data_type


def _type_name(data_type: Any) -> str:
    if data_type.id in ("list", "array"):
        return f"{_type_name(data_type.children[0][1])}[]"
    if data_type.id in ("struct", "map"):
        return "object"
    return _TYPES.get(data_type.id, data_type.id)


def _filled_by_footer(connection: duckdb.DuckDBPyConnection, path: Path) -> dict[str, int]:
    """Return the rows that are not null per leaf, as far as the writer counted them."""
    rows = connection.execute(
        "select path_in_schema, sum(num_values - stats_null_count)::bigint "
        f"from parquet_metadata({file_literal(path)}) "
        "group by 1 having count(*) = count(stats_null_count)"
    ).fetchall()
    return dict(rows)


# ---------------------------------------------------------------- what the footer does not tell


def _look_into(
    connection: duckdb.DuckDBPyConnection,
    inventory: Inventory,
    relation: str,
    leaves: list[tuple[FieldPath, Any]],
) -> None:
    is_sampled = (
        f"file_row_number // {_BLOCK_ROWS} % {_SAMPLE_EVERY} = 0"
        if inventory.record_count > _WHOLE_ROWS
        else "true"
    )
    columns = ", ".join(
        f"{'.'.join(map(identifier, leaf))} as c{number}" for number, (leaf, _) in enumerate(leaves)
    )
    connection.execute(
        "create or replace temp table sampled_rows as "
        f"select file_row_number as row_number, {columns} from {relation} where {is_sampled}"
    )
    (sampled_count,) = connection.execute("select count(*) from sampled_rows").fetchone()
    found: FieldCounts = Counter()
    for number, (leaf, leaf_type) in enumerate(leaves):
        if str(leaf_type) == "JSON":
            found.update(count_json(connection, "sampled_rows", f"c{number}", leaf))
        else:
            values = f"(select row_number, c{number} as held from sampled_rows)"
            found.update(_count(connection, values, leaf, leaf_type))
    inventory.add(found, inventory.record_count / max(sampled_count, 1))


def _count(
    connection: duckdb.DuckDBPyConnection, values: str, path: FieldPath, data_type: Any
) -> FieldCounts:
    """Return in how many rows the field, and what it nests, holds something."""
    leaves = list(_leaves((), data_type))
    expressions = [".".join(["held", *map(identifier, leaf)]) for leaf, _ in leaves]
    filled = ", ".join(
        f"bool_or(len({held}) > 0)" if leaf_type.id == "list" else f"bool_or({held} is not null)"
        for held, (_, leaf_type) in zip(expressions, leaves, strict=True)
    )
    columns = [f"f{number}" for number in range(len(leaves))]
    counts = connection.execute(
        f"select {', '.join(f'count(*) filter ({column})' for column in columns)} from "
        f"(select {filled} from {values} group by row_number) as by_row({', '.join(columns)})"
    ).fetchone()
    found: FieldCounts = Counter()
    for held, count, (leaf, leaf_type) in zip(expressions, counts, leaves, strict=True):
        if not count:
            continue
        found[(*path, *leaf), _type_name(leaf_type)] = count
        inner = f"(select row_number, {held} as held from {values} where {held} is not null)"
        if leaf_type.id == "map":
            found.update(_count_map(connection, inner, (*path, *leaf), leaf_type.children[1][1]))
        elif leaf_type.id == "list":
            elements = f"(select row_number, unnest(held) as held from {inner})"
            element = leaf_type.children[0][1]
            if element.id == "struct" and [name for name, _ in element.children] == _KEYED:
                value_type = element.children[1][1]
                found.update(_count_keyed(connection, elements, (*path, *leaf), value_type))
            elif element.id == "struct":
                found.update(_count(connection, elements, (*path, *leaf), element))
    return found


def _count_map(
    connection: duckdb.DuckDBPyConnection, maps: str, path: FieldPath, value_type: Any
) -> FieldCounts:
    rows = connection.execute(
        "select name, count(*) "
        f"from (select unnest(map_keys(held))::varchar as name from {maps}) "
        f"group by 1 order by 2 desc, 1 limit {MAX_KINDS}"
    ).fetchall()
    return Counter({((*path, name), _type_name(value_type)): count for name, count in rows})


def _count_keyed(
    connection: duckdb.DuckDBPyConnection, elements: str, path: FieldPath, value_type: Any
) -> FieldCounts:
    """Return the counts of a list of keys and values: each key is a field.

    Where the value has a member per type, the member that is filled tells the type.
    """
    value = 'held."value"'
    if value_type.id == "struct":
        whens = " ".join(
            f"when {value}.{identifier(name)} is not null then {literal(name)}"
            for name, _ in value_type.children
        )
        data_type = f"case {whens} end"
    else:
        data_type = f"case when {value} is not null then {literal(_type_name(value_type))} end"
    rows = connection.execute(
        f'select held."key"::varchar as name, {data_type} as data_type, count(*) from {elements} '
        "group by 1, 2 having name is not null and data_type is not null "
        f"order by 3 desc, 1, 2 limit {MAX_KINDS}"
    ).fetchall()
    return Counter({((*path, name), data_type): count for name, data_type, count in rows})
