"""Which fields a file has, of which types and in how many records: `raw.file_fields`.

Of text, the first 1,024 records are looked at, and every 32nd after them, which stands for all
32: a whole count costs a quarter of the load (2026-11-24). Imports DuckDB.
"""

import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from orchestration.loading.parts import Part, part_relation
from orchestration.loading.text import Batch
from orchestration.loading.warehouse import literal
from orchestration.sources import RawTable, Source

_WHOLE_RECORDS = 1024
_SAMPLE_EVERY = 32

# An object with more members than this is a map: its keys are data, not fields.
MAX_MEMBERS = 500

# So many different structures, or keys, are taken apart; data that all differ tell no more.
MAX_KINDS = 1000

_JSON_TYPES = {
    "VARCHAR": "string",
    "BIGINT": "integer",
    "UBIGINT": "integer",
    "DOUBLE": "number",
    "BOOLEAN": "boolean",
}
"""By the names of json_structure; an empty object, `JSON`, and `NULL` hold nothing."""

FieldPath = tuple[str, ...]
FieldCounts = Counter[tuple[FieldPath, str]]
Sample = list[bytes] | list[list[str]]


@dataclass
class Inventory:
    """The fields of a file, and in how many of its records each one holds something."""

    record_count: int = 0
    counts: Counter[tuple[FieldPath, str]] = field(default_factory=Counter)

    def add(self, counts: FieldCounts, share: float = 1) -> None:
        """Add what was found, where it was counted in one of `share` records."""
        for each, count in counts.items():
            self.counts[each] += count * share

    def include(self, other: "Inventory") -> None:
        """Add the fields of another part of the file."""
        self.record_count += other.record_count
        self.add(other.counts)

    def rows(self) -> list[tuple[str, str, int]]:
        """Return field, type and number of records."""
        found: Counter[tuple[str, str]] = Counter()
        for (path, data_type), count in _without_maps(self.counts).items():
            found[".".join(path), data_type] += count
        return [
            (name, data_type, min(max(round(count), 1), self.record_count))
            for (name, data_type), count in sorted(found.items())
        ]


@dataclass
class Watch:
    """Keeps some of the records that pass by on their way to work files; counts their fields."""

    count: Callable[[duckdb.DuckDBPyConnection, Sample], FieldCounts]
    _inventory: Inventory = field(default_factory=Inventory)
    _sampled: FieldCounts = field(default_factory=Counter)
    _sampled_count: int = 0
    _waiting: deque[tuple[bool, Sample]] = field(default_factory=deque)

    def over(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Yield the batches, and keep the records that are looked at."""
        for batch in batches:
            records: Sample = batch.lines or batch.fields
            before = self._inventory.record_count
            self._inventory.record_count += len(records)
            first = max(_WHOLE_RECORDS - before, 0)
            if whole := records[:first]:
                self._waiting.append((True, whole))
            start = first + -(before + first) % _SAMPLE_EVERY
            if sampled := records[start::_SAMPLE_EVERY]:
                self._waiting.append((False, sampled))
            yield batch

    def take(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Count the fields of the records kept since the last time."""
        kept: dict[bool, list[Any]] = {True: [], False: []}
        while self._waiting:
            is_whole, records = self._waiting.popleft()
            kept[is_whole] += records
        if kept[True]:
            self._inventory.add(self.count(connection, kept[True]))
        if kept[False]:
            self._sampled.update(self.count(connection, kept[False]))
            self._sampled_count += len(kept[False])

    def inventory(self) -> Inventory:
        """Return the fields of all records that passed by."""
        found = Inventory(self._inventory.record_count, Counter(self._inventory.counts))
        if self._sampled_count:
            others = found.record_count - _WHOLE_RECORDS
            found.add(self._sampled, others / self._sampled_count)
        return found


def write_fields(
    connection: duckdb.DuckDBPyConnection, source: Source, file_id: str, inventory: Inventory
) -> None:
    """Insert the fields of the file."""
    rows = inventory.rows()
    if rows:
        names, types, counts = zip(*rows, strict=True)
        connection.execute(
            "insert into raw.file_fields select $1, $2, unnest($3::varchar[]), "
            "unnest($4::varchar[]), unnest($5::bigint[]), $6",
            [file_id, source.name, names, types, counts, inventory.record_count],
        )


# ---------------------------------------------------------------- JSON


def count_json_texts(
    work_dir: Path,
    connection: duckdb.DuckDBPyConnection,
    texts: Sequence[bytes],
    *,
    above: FieldPath = (),
    beginning: bytes = b"",
) -> FieldCounts:
    """Return in how many of the texts, each JSON on one line, each field stands."""
    path = work_dir / "sample.work"
    with open(path, "wb") as file:
        file.writelines(b"1\x011\x01%b%b\n" % (beginning, text) for text in texts)
    part = Part(path, "\x01", len(texts), max(map(len, texts)))
    connection.execute(
        "create or replace temp table sampled_records as "
        f"select record from {part_relation(part, ['record'])}"
    )
    path.unlink()
    return count_json(connection, "sampled_records", "record", above)


def count_json(
    connection: duckdb.DuckDBPyConnection, relation: str, column: str, above: FieldPath = ()
) -> FieldCounts:
    """Return in how many rows of the relation each field of its JSON column stands."""
    counts: FieldCounts = Counter()
    keyed_lists: dict[str, FieldPath] = {}
    for text, count in connection.execute(
        f"select try(json_structure({column})) as structure, count(*) from {relation} "
        f"group by 1 order by 2 desc, 1 limit {MAX_KINDS}"
    ).fetchall():
        if text is not None:
            found = set(_fields_of(json.loads(text), above, "$", keyed_lists))
            counts.update(dict.fromkeys(found, count))
    for pointer, path in keyed_lists.items():
        for key, data_type, count in _keyed_values(connection, relation, column, pointer):
            counts[(*path, key), data_type] += count
    return counts


def _fields_of(
    structure: Any, path: FieldPath, pointer: str, keyed_lists: dict[str, FieldPath]
) -> Iterator[tuple[FieldPath, str]]:
    data_type = type_of_structure(structure)
    if path and data_type is not None:
        yield path, data_type
    while isinstance(structure, list):
        structure, pointer = structure[0], f"{pointer}[*]"
        if _is_keyed(structure) and "" not in path:  # no JSON path leads to a nameless member
            keyed_lists[pointer] = path
            return
    if isinstance(structure, dict):
        for name, inner in structure.items():
            below = f"{pointer}.{json.dumps(name, ensure_ascii=False)}"
            yield from _fields_of(inner, (*path, name), below, keyed_lists)


def type_of_structure(structure: Any) -> str | None:
    """Return the type of a value by its JSON structure; None where it holds nothing."""
    if isinstance(structure, dict):
        return "object"
    if isinstance(structure, list):
        element = structure[0]
        inner = "mixed" if element == "JSON" else type_of_structure(element)
        return None if inner is None else f"{inner}[]"
    return _JSON_TYPES.get(structure)


def _is_keyed(element: Any) -> bool:
    """Tell whether an array of such elements is an object in another spelling."""
    return (
        isinstance(element, dict)
        and element.keys() == {"key", "value"}
        and element["key"] == "VARCHAR"
    )


def _keyed_values(
    connection: duckdb.DuckDBPyConnection, relation: str, column: str, pointer: str
) -> list[tuple[str, str, int]]:
    entries = f"case when json_valid({column}) then json_extract({column}, {literal(pointer)}) end"
    rows = connection.execute(
        f"""
        select entry ->> '$.key' as name, json_structure(entry -> '$.value') as structure, count(*)
        from (select unnest({entries}) as entry from {relation})
        where json_type(entry) = 'OBJECT'
        group by all
        having name is not null and structure is not null
        order by 3 desc, 1, 2
        limit {MAX_KINDS}
        """
    ).fetchall()
    values = ((name, _type_of_keyed(json.loads(text)), count) for name, text, count in rows)
    return [(name, data_type, count) for name, data_type, count in values if data_type is not None]


def _type_of_keyed(structure: Any) -> str | None:
    """Return the type of an entry's value: where it is an object, the member that is filled."""
    if isinstance(structure, dict):
        return next((name for name, inner in structure.items() if inner != "NULL"), None)
    return type_of_structure(structure)


def json_columns(raw_table: RawTable) -> set[str]:
    """Return the columns whose text is JSON, with fields of its own."""
    return {column.name for column in raw_table.columns if column.data_type.lower() == "json"}


# ---------------------------------------------------------------- text between delimiters


def count_filled(names: Iterable[str], rows: Sequence[Iterable[str | None]]) -> FieldCounts:
    """Return in how many rows each of the columns is not empty."""
    if not rows:
        return Counter()
    columns = zip(*rows, strict=True)
    return Counter(
        {
            ((name,), "string"): filled
            for name, column in zip(names, columns, strict=True)
            if (filled := sum(map(bool, column)))
        }
    )


# ---------------------------------------------------------------- objects that are maps


def _without_maps(counts: FieldCounts) -> FieldCounts:
    """Return the counts with the members of every object that is a map under the name `*`."""
    members: dict[FieldPath, set[str]] = {}
    for path, _ in counts:
        for depth, name in enumerate(path):
            members.setdefault(path[:depth], set()).add(name)
    maps = {parent for parent, names in members.items() if len(names) > MAX_MEMBERS}
    merged: FieldCounts = Counter()
    for (path, data_type), count in counts.items():
        shown = tuple("*" if path[:depth] in maps else name for depth, name in enumerate(path))
        merged[shown, data_type] += count
    return merged
