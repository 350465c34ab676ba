"""Which fields a file has, of which types and in how many records: `raw.file_fields`.

Of text, the first 1,024 records are looked at, and every 32nd after them, which stands for all
32: a whole count costs a quarter of the load (2026-11-24). Imports DuckDB.
"""

import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
Samples = Mapping[int, Sequence[Any]]
"""Some records, each as bytes or as a list of texts, by the number of what they are a sample of."""


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

    count: Callable[[duckdb.DuckDBPyConnection, Samples], Mapping[int, FieldCounts]]
    _files: dict[int, "_Watched"] = field(default_factory=dict)
    _waiting: deque[tuple[int, Sequence[Any]]] = field(default_factory=deque)

    def over(self, batches: Iterable[tuple[int, Batch]]) -> Iterator[Batch]:
        """Yield the batches, which come with the number of their file; keep what is looked at."""
        for number, batch in batches:
            records: Sequence[Any] = batch.lines or batch.fields
            file = self._files.setdefault(number, _Watched())
            before = file.record_count
            file.record_count += len(records)
            first = max(_WHOLE_RECORDS - before, 0)
            if whole := records[:first]:
                self._waiting.append((2 * number, whole))
            start = first + -(before + first) % _SAMPLE_EVERY
            if sampled := records[start::_SAMPLE_EVERY]:
                self._waiting.append((2 * number + 1, sampled))
            yield batch

    def take(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Count the fields of the records that were kept since the last time."""
        kept: dict[int, list[Any]] = {}
        while self._waiting:
            number, records = self._waiting.popleft()
            kept.setdefault(number, []).extend(records)
        for number, counts in self.count(connection, kept).items() if kept else ():
            file = self._files[number // 2]
            (file.sampled if number % 2 else file.whole).update(counts)
        for number, records in kept.items():
            self._files[number // 2].sampled_count += len(records) * (number % 2)

    def inventories(self) -> dict[int, Inventory]:
        """Return the fields of all records that passed by, by the number of their file."""
        return {number: file.inventory() for number, file in self._files.items()}


@dataclass
class _Watched:
    """What was counted in the first records of a file, and in a sample of the others."""

    record_count: int = 0
    whole: FieldCounts = field(default_factory=Counter)
    sampled: FieldCounts = field(default_factory=Counter)
    sampled_count: int = 0

    def inventory(self) -> Inventory:
        found = Inventory(self.record_count, Counter(self.whole))
        if self.sampled_count:
            others = self.record_count - _WHOLE_RECORDS
            found.add(self.sampled, others / self.sampled_count)
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
    samples: Samples,
    *,
    above: FieldPath = (),
    beginning: bytes = b"",
) -> dict[int, FieldCounts]:
    """Return in how many texts of each sample, each JSON on one line, each field stands."""
    path = work_dir / "sample.work"
    with open(path, "wb") as file:
        for number, texts in samples.items():
            file.writelines(b"%d\x011\x01%b%b\n" % (number, beginning, text) for text in texts)
    longest = max((len(text) for texts in samples.values() for text in texts), default=0)
    part = Part(path, "\x01", sum(map(len, samples.values())), longest)
    connection.execute(
        "create or replace temp table sampled_records as "
        f"select row_number as sample, record from {part_relation(part, ['record'])}"
    )
    path.unlink()
    return count_json(connection, "sampled_records", "record", above)


def count_json(
    connection: duckdb.DuckDBPyConnection, relation: str, column: str, above: FieldPath = ()
) -> dict[int, FieldCounts]:
    """Return in how many rows of each `sample` of the relation a field of its JSON stands."""
    counts: dict[int, FieldCounts] = {}
    keyed_lists: dict[str, dict[int, FieldPath]] = {}
    for number, text, count in connection.execute(
        f"select sample, try(json_structure({column})) as structure, count(*) as n from {relation} "
        f"group by 1, 2 {most_frequent('n desc, structure')}"
    ).fetchall():
        if text is not None:
            lists: dict[str, FieldPath] = {}
            found = set(_fields_of(json.loads(text), above, "$", lists))
            counts.setdefault(number, Counter()).update(dict.fromkeys(found, count))
            for pointer, path in lists.items():
                keyed_lists.setdefault(pointer, {})[number] = path
    for pointer, paths in keyed_lists.items():
        for number, key, data_type, count in _keyed_values(connection, relation, column, pointer):
            if number in paths:
                counts[number][(*paths[number], key), data_type] += count
    return counts


def most_frequent(order: str) -> str:
    """Return the end of a query that keeps so many rows of each `sample`, the first in order."""
    return f"qualify row_number() over (partition by sample order by {order}) <= {MAX_KINDS}"


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
) -> list[tuple[int, str, str, int]]:
    entries = f"case when json_valid({column}) then json_extract({column}, {literal(pointer)}) end"
    rows = connection.execute(
        f"""
        select
            sample, entry ->> '$.key' as name, json_structure(entry -> '$.value') as structure,
            count(*) as n
        from (select sample, unnest({entries}) as entry from {relation})
        where json_type(entry) = 'OBJECT'
        group by 1, 2, 3
        having name is not null and structure is not null
        {most_frequent("n desc, name, structure")}
        """
    ).fetchall()
    return [
        (number, name, data_type, count)
        for number, name, text, count in rows
        if (data_type := _type_of_keyed(json.loads(text))) is not None
    ]


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
