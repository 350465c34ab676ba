"""The fields of Parquet files: the footers count most of them, lists and JSON are looked into.

Of files with more than 122,880 rows, lists are looked at in every 32nd block of 2,048 rows: DuckDB
decodes no other block then.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from orchestration.loading.fields import (
    FieldCounts,
    FieldPath,
    Inventory,
    count_json,
    json_columns,
    most_frequent,
)
from orchestration.loading.formats.parquet_files import ParquetFiles
from orchestration.loading.warehouse import identifier, literal
from orchestration.sources import RawTable

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


@dataclass(frozen=True)
class _Leaf:
    """A field that is no struct, with the SQL expression of its value."""

    path: FieldPath
    sql: str
    data_type: Any

    @property
    def is_list(self) -> bool:
        return self.data_type.id == "list"

    @property
    def element_type(self) -> Any:
        return self.data_type.children[0][1]

    @property
    def is_keyed(self) -> bool:
        """Tell whether it is a list of keys and values: an object in another spelling."""
        return (
            self.is_list
            and self.element_type.id == "struct"
            and [name for name, _ in self.element_type.children] == _KEYED
        )

    @property
    def is_filled(self) -> str:
        """Return the condition that it holds something."""
        return f"len({self.sql}) > 0" if self.is_list else f"{self.sql} is not null"


def inventories_of(
    connection: duckdb.DuckDBPyConnection, raw_table: RawTable, files: ParquetFiles
) -> dict[Path, Inventory]:
    """Return the fields of each file, with the number of rows that hold something in each."""
    texts_of_json = json_columns(raw_table)
    leaves = [
        leaf
        for name, data_type in files.columns.items()
        for leaf in _leaves((name,), identifier(name), data_type)
    ]
    filled = _filled_by_footer(connection, files)
    inventories: dict[Path, Inventory] = {}
    looked_into: dict[tuple[bool, tuple[int, ...]], list[Path]] = {}
    for path, (row_count,) in files.told_of_files(
        connection, "select file_name, num_rows from parquet_file_metadata({})"
    ):
        inventories[path] = Inventory(row_count)
        others = []
        for number, leaf in enumerate(leaves):
            count = filled.get((path, ", ".join(leaf.path)))
            is_json = leaf.data_type.id == "varchar" and leaf.path[0] in texts_of_json
            if is_json or leaf.data_type.id in ("list", "array", "map") or count is None:
                others.append(number)
            elif count:
                inventories[path].counts[leaf.path, _type_name(leaf.data_type)] = count
        looked_into.setdefault((row_count > _WHOLE_ROWS, tuple(others)), []).append(path)
    for (is_large, numbers), paths in looked_into.items():
        _look_into(
            connection,
            ParquetFiles(tuple(paths), files.columns),
            [leaves[number] for number in numbers],
            texts_of_json,
            _SAMPLE_EVERY if is_large else 1,
            [inventories[path] for path in paths],
        )
    structs = {leaf.path[:depth] for leaf in leaves for depth in range(1, len(leaf.path))}
    for inventory in inventories.values():
        _count_structs(inventory, structs)
    return inventories


def _leaves(path: FieldPath, sql: str, data_type: Any) -> Iterator[_Leaf]:
    if data_type.id == "struct":
        for name, child in data_type.children:
            yield from _leaves((*path, name), f"{sql}.{identifier(name)}", child)
    else:
        yield _Leaf(path, sql, data_type)


def _count_structs(inventory: Inventory, structs: Iterable[FieldPath]) -> None:
    """Count the structs, which no footer does: one is there where its fullest member is."""
    fullest: Counter[FieldPath] = Counter()
    for (path, _), count in inventory.counts.items():
        for depth in range(1, len(path)):
            fullest[path[:depth]] = max(fullest[path[:depth]], count)
    for struct in structs:
        if fullest[struct]:
            inventory.counts[struct, "object"] = fullest[struct]


def _type_name(data_type: Any) -> str:
    if data_type.id in ("list", "array"):
        return f"{_type_name(data_type.children[0][1])}[]"
    if data_type.id in ("struct", "map"):
        return "object"
    return _TYPES.get(data_type.id, data_type.id)


def _filled_by_footer(
    connection: duckdb.DuckDBPyConnection, files: ParquetFiles
) -> dict[tuple[Path, str], int]:
    """Return the rows that are not null per leaf, as far as the writer counted them."""
    told = files.told_of_files(
        connection,
        "select file_name, path_in_schema, sum(num_values - stats_null_count)::bigint "
        "from parquet_metadata({}) group by 1, 2 having count(*) = count(stats_null_count)",
    )
    return {(path, leaf): count for path, (leaf, count) in told}


# ---------------------------------------------------------------- what the footers do not tell


def _look_into(
    connection: duckdb.DuckDBPyConnection,
    files: ParquetFiles,
    leaves: Sequence[_Leaf],
    texts_of_json: set[str],
    sample_every: int,
    inventories: Sequence[Inventory],
) -> None:
    """Add to the inventory of each file what the leaves hold, counted in some of its rows."""
    block = f"file_row_number // {_BLOCK_ROWS} % {sample_every}"
    condition = "true" if sample_every == 1 else f"{block} = 0"
    number = files.value_of_file(range(len(files.paths)))

    def rows_with(columns: Iterable[str]) -> str:
        return (
            f"(select {number} as sample, file_row_number as row_number, {', '.join(columns)} "
            f"from {files.relation} where {condition})"
        )

    plain: list[_Leaf] = []
    found: list[Mapping[int, FieldCounts]] = []
    for leaf in leaves:
        rows = rows_with([f"{leaf.sql} as held"])
        if leaf.data_type.id == "varchar" and leaf.path[0] in texts_of_json:
            found.append(count_json(connection, rows, "held", leaf.path))
        elif leaf.is_keyed:
            found.append(_count_keyed(connection, rows, leaf))
        elif leaf.is_list and leaf.element_type.id == "struct":
            found.append(_count_elements(connection, rows, leaf))
        else:
            plain.append(leaf)
    if plain:
        columns = [f"{leaf.sql} as c{number}" for number, leaf in enumerate(plain)]
        renamed = [replace(leaf, sql=f"c{number}") for number, leaf in enumerate(plain)]
        found.append(_count(connection, rows_with(columns), renamed))
    for counts in found:
        for number_of_file, each in counts.items():
            inventory = inventories[number_of_file]
            inventory.add(each, _share(inventory.record_count, sample_every))


def _share(row_count: int, sample_every: int) -> float:
    """Return how many rows each row stands for that is looked at."""
    rounds, rest = divmod(row_count, _BLOCK_ROWS * sample_every)
    return row_count / max(rounds * _BLOCK_ROWS + min(rest, _BLOCK_ROWS), 1)


def _count(
    connection: duckdb.DuckDBPyConnection,
    values: str,
    leaves: Sequence[_Leaf],
    *,
    list_of: _Leaf | None = None,
) -> dict[int, FieldCounts]:
    """Return in how many rows each field, and what it nests, holds something.

    The values are one for each row, or the elements that a list has in it.
    """
    columns = [f"f{number}" for number in range(len(leaves))]
    if list_of is None:
        held, by_row = [leaf.is_filled for leaf in leaves], ""
    else:
        held = [f"bool_or({leaf.is_filled})" for leaf in leaves]
        by_row = "group by sample, row_number"
    filled = ", ".join(f"{each} as {column}" for each, column in zip(held, columns, strict=True))
    found: dict[int, FieldCounts] = {}
    nesting: set[int] = set()
    for number, row_count, *counts in connection.execute(
        f"select sample, count(*), {', '.join(f'count(*) filter ({each})' for each in columns)} "
        f"from (select sample, {filled} from {values} {by_row}) group by sample"
    ).fetchall():
        found[number] = Counter({_as_field(list_of): row_count} if list_of else {})
        for place, count in enumerate(counts):
            if count:
                found[number][_as_field(leaves[place])] = count
                nesting.add(place)
    for place in sorted(nesting):
        for number, counts in _count_within(connection, values, leaves[place]).items():
            del counts[_as_field(leaves[place])]  # the list itself, counted by rows already
            found[number].update(counts)
    return found


def _count_within(
    connection: duckdb.DuckDBPyConnection, values: str, leaf: _Leaf
) -> Mapping[int, FieldCounts]:
    """Return in how many rows each field that the leaf nests holds something."""
    inner = (
        f"(select sample, row_number, {leaf.sql} as held from {values} "
        f"where {leaf.sql} is not null)"
    )
    if leaf.data_type.id == "map":
        return _count_map(connection, inner, leaf)
    if leaf.is_keyed:
        return _count_keyed(connection, inner, leaf)
    if leaf.is_list and leaf.element_type.id == "struct":
        return _count_elements(connection, inner, leaf)
    return {}


def _count_elements(
    connection: duckdb.DuckDBPyConnection, lists: str, leaf: _Leaf
) -> dict[int, FieldCounts]:
    """Return the counts of a list of structs, and of each field of these."""
    elements = f"(select sample, row_number, unnest(held) as held from {lists})"
    leaves = list(_leaves(leaf.path, "held", leaf.element_type))
    return _count(connection, elements, leaves, list_of=leaf)


def _count_map(
    connection: duckdb.DuckDBPyConnection, maps: str, leaf: _Leaf
) -> dict[int, FieldCounts]:
    rows = connection.execute(
        "select sample, name, count(*) as n "
        f"from (select sample, unnest(map_keys(held))::varchar as name from {maps}) "
        f"group by 1, 2 {most_frequent('n desc, name')}"
    ).fetchall()
    found: dict[int, FieldCounts] = {}
    for number, name, count in rows:
        field = (*leaf.path, name), _type_name(leaf.data_type.children[1][1])
        found.setdefault(number, Counter())[field] = count
    return found


def _count_keyed(
    connection: duckdb.DuckDBPyConnection, lists: str, leaf: _Leaf
) -> dict[int, FieldCounts]:
    """Return the counts of a list of keys and values, and of each key, which is a field.

    Where the value has a member per type, the member that is filled tells the type.
    """
    value, value_type = 'held."value"', leaf.element_type.children[1][1]
    if value_type.id == "struct":
        whens = " ".join(
            f"when {value}.{identifier(name)} is not null then {literal(name)}"
            for name, _ in value_type.children
        )
        data_type = f"case {whens} end"
    else:
        data_type = f"case when {value} is not null then {literal(_type_name(value_type))} end"
    # What has no name or no value comes last, but tells that there is a list.
    rows = connection.execute(
        f"""
        select sample, name, data_type, n, sum(lists) over (partition by sample)::bigint
        from (
            select
                sample, held."key"::varchar as name, {data_type} as data_type, count(*) as n,
                count(*) filter (place = 1) as lists
            from (
                select sample, unnest(held) as held, generate_subscripts(held, 1) as place
                from {lists}
            )
            group by 1, 2, 3
        )
        {most_frequent("name is null or data_type is null, n desc, name, data_type")}
        """
    ).fetchall()
    found: dict[int, FieldCounts] = {}
    for number, name, data_type, count, list_count in rows:
        counts = found.setdefault(number, Counter({_as_field(leaf): list_count}))
        if name is not None and data_type is not None:
            counts[(*leaf.path, name), data_type] = count
    return found


def _as_field(leaf: _Leaf) -> tuple[FieldPath, str]:
    return leaf.path, _type_name(leaf.data_type)
