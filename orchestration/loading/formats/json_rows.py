"""How JSON records become rows: DuckDB decides which are beyond doubt and inserts those.

Every other record is looked at by a strict parser (`json_verdict`), which says what is wrong with
it, or that nothing is. The fast way reads a work file straight into typed columns, strictly; it is
taken where a survey of the work file finds no doubtful record in it. Of many records the survey
reads the members of some only: DuckDB refuses a member that it was not told of, or that stands
twice, and then the file is read once more.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from orchestration.loading.formats import json_verdict
from orchestration.loading.formats.common import NeedsCare, PartOutcome
from orchestration.loading.formats.json_sql import columns_of, is_doubtful, values_at
from orchestration.loading.formats.left_over import (
    NamesClash,
    example_of,
    left_over,
    member,
    object_of,
    widened,
)
from orchestration.loading.inserting import Care, Delivery, insert_rows
from orchestration.loading.mapping import Origin, pointer_of, used_keys
from orchestration.loading.parts import Part, part_relation, whole_line_relation
from orchestration.loading.rejections import Rejections
from orchestration.loading.text import Rejection
from orchestration.loading.warehouse import file_literal, identifier, literal, rows_of

NUMBERS_IN_OBJECT = '{"#row":%d,"#line":%d,'
"""How row and line number lead a record whose line is to stay one JSON object."""

# Room for one value of every field (see _insert_typed), filled in once the fields are known.
FIRST_LINE = b'{"#row":0}'.ljust((64 << 10) - 1) + b"\n"
_FIRST = literal('{"#row":0')

_NUMBER_KEYS = ("#row", "#line")
_NUMBERED_OBJECT = r'^\{"#row":(\d+),"#line":(\d+),(.*)$'
_MAX_UNKNOWN_COLUMNS = 200
_MIN_OBJECT_BYTES = 4 << 20

# Of more records, one in 32 tells the members. The numbers that lead a line fit in its beginning.
_ALL_READ_UP_TO = 50_000
_IS_IN_SAMPLE = "hash(left({0}, 24)) % 32 = 0"

# The condition, never null, under which the members of a record need no second look.
_HAS_SOUND_KEYS = (
    "coalesce(len(try(json_keys(record))) > 0, false) "
    "and len(list_distinct(try(json_keys(record)))) = len(try(json_keys(record)))"
)


@dataclass(frozen=True)
class Plan:
    """How the fields of a record become columns.

    `value` is a SQL expression of `record` that is null where the record does not fit; `columns`
    are expressions of that value; `types` are those of the columns, none where all is text;
    `enclosing` are members, null where empty, that keep what encloses the record; `nested` those
    that keep what a column nests and the twin does not declare.
    """

    delivery: Delivery
    value: str
    columns: Mapping[str, str]
    known_keys: frozenset[str]
    types: dict[str, Any]
    enclosing: tuple[str, ...] = ()
    nested: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Survey:
    """What the text and the distinct sets of keys in a work file tell about its records."""

    is_clean: bool
    unknown_keys: tuple[str, ...]
    is_sample: bool
    """Whether the keys are those of some records only."""


def typed_plan(delivery: Delivery, found: Mapping[str, str] | None = None) -> Plan:
    """Return how records whose fields have the names and types of the columns become those.

    `found` are the types that columns have in the records where these nest more than declared.
    """
    declared = {column.name: column.data_type for column in delivery.raw_table.columns}
    types = {name: duckdb.sqltype(each) for name, each in declared.items()}
    read_as = {name: duckdb.sqltype((found or {}).get(name, declared[name])) for name in declared}
    structure = json.dumps({name: _structure(each) for name, each in read_as.items()})
    value = f"from_json(record, {literal(structure)})"
    if not all(map(_is_text, types.values())):
        fields = ", ".join(f"{identifier(name)} {each}" for name, each in read_as.items())
        value = f"try(cast({value} as struct({fields})))"
    columns = {name: f"value.{identifier(name)}" for name in types}
    return Plan(
        delivery=delivery,
        value=value,
        columns=_as_declared(columns, read_as, types, declared),
        known_keys=frozenset(types),
        types=types,
        nested=_nested(columns, read_as, types),
    )


def _as_declared(
    columns: Mapping[str, str],
    found: Mapping[str, Any],
    wanted: Mapping[str, Any],
    declared: Mapping[str, str],
) -> dict[str, str]:
    return {
        name: sql if str(found[name]) == str(wanted[name]) else f"cast({sql} as {declared[name]})"
        for name, sql in columns.items()
    }


def _nested(
    columns: Mapping[str, str], found: Mapping[str, Any], wanted: Mapping[str, Any]
) -> tuple[str, ...]:
    texts = {name: left_over(sql, found[name], wanted[name]) for name, sql in columns.items()}
    return tuple(member(name, text) for name, text in texts.items() if text is not None)


def mapped_plan(
    delivery: Delivery, origins: Sequence[Origin], enclosing: Sequence[str] = ()
) -> Plan:
    """Return how fields of records, and of what encloses them, become columns of text or JSON."""
    columns: dict[str, str] = {}
    for level in sorted({origin.level for origin in origins if origin.constant is None}):
        values = "value" if level == 0 else f"values{level}"
        columns |= columns_of(values, _at(level, origins))
    for origin in origins:
        if origin.constant is not None:
            columns[origin.column] = literal(origin.constant)
    return Plan(
        delivery=delivery,
        value=values_at("record", _at(0, origins)),
        columns=columns,
        known_keys=frozenset(used_keys(_at(0, origins))),
        types={},
        enclosing=tuple(enclosing),
    )


def insert_lines(plan: Plan, connection: duckdb.DuckDBPyConnection, part: Part) -> PartOutcome:
    """Insert the records of a work file in which the numbers are columns of their own."""
    return insert_carefully(
        connection,
        plan,
        part_relation(part, ["record"]),
        part.count + len(part.rejections),
        part.rejections,
        part.unterminated_rows,
    )


def insert_numbered_objects(
    plan: Plan, connection: duckdb.DuckDBPyConnection, part: Part
) -> PartOutcome:
    """Insert the records of a work file in which the numbers are members of the objects."""
    read = part.count + len(part.rejections)
    if not part.count:
        return PartOutcome(read, 0, list(part.rejections))
    numbered = literal(_NUMBERED_OBJECT)
    lines = f"(select line from {whole_line_relation(part)} where not starts_with(line, {_FIRST}))"
    relation = (
        "(select found.row::bigint as row_number, found.line::bigint as line_number, "
        f"'{{' || found.rest as record from (select regexp_extract(line, {numbered}, "
        f"['row', 'line', 'rest']) as found from {lines}))"
    )
    care = plan.delivery.care
    is_sample = care is Care.FAST and part.count > _ALL_READ_UP_TO
    survey = _survey(connection, plan, lines, "line", is_sample=is_sample)
    found = _found_types(connection, plan, lines, "line") if care is Care.SURVEYED else {}
    columns = None if found is None else _all_columns(plan, survey, found)
    if care is Care.EACH_RECORD or columns is None:
        return insert_carefully(
            connection, plan, relation, read, part.rejections, part.unterminated_rows
        )
    rejected = Rejections(plan.delivery.work_dir, part.rejections)
    path = part.path
    if not survey.is_clean:
        is_clean = f"not {_is_doubtful(plan, 'record')}" if is_sample else _clean_condition(plan)
        doubtful = f"(select * from {relation} where not ({is_clean}))"
        judged = _judged(connection, plan, doubtful, part.unterminated_rows)
        broken = Rejections(plan.delivery.work_dir, (each for _, each in judged if each))
        if broken:
            rejected.extend(broken)
            path = _without(connection, part, (each.row_number for each in broken))
    inserted = _insert_typed(connection, plan, path, part.longest, columns, survey)
    return PartOutcome(read, inserted, rejected)


def insert_carefully(
    connection: duckdb.DuckDBPyConnection,
    plan: Plan,
    relation: str,
    read: int,
    rejections: Iterable[Rejection],
    unterminated_rows: Set[int],
) -> PartOutcome:
    """Insert the relation's records, each of which may be broken in a way of its own.

    Where columns have types, DuckDB alone cannot tell a value that does not fit from one that is
    not there; then every record is judged.
    """
    rejected = Rejections(plan.delivery.work_dir, rejections)
    if len(rejected) == read:
        return PartOutcome(read, 0, rejected)
    survey = _survey(connection, plan, relation, "record")
    if any(each.id in ("struct", "list") for each in plan.types.values()):
        plan = _widened_plan(connection, plan, relation)
    inserted = 0
    doubtful = relation
    if not plan.types:
        condition = "true" if survey.is_clean else _clean_condition(plan)
        inserted = _insert_values(connection, plan, _values(plan, relation, condition), survey)
        doubtful = f"(select * from {relation} where not ({condition}))"
    if inserted + len(rejected) < read:
        judged = _judged(connection, plan, doubtful, unterminated_rows)
        approved = _approved(judged, rejected)
        _note_rows(connection, plan.delivery.work_dir, approved)
    if inserted + len(rejected) < read:
        chosen = f"(select * from {relation} where row_number in (from noted_rows))"
        # The filter may be applied after the value is computed, hence the guard.
        values = _values(plan, chosen, "json_valid(record)")
        inserted += _insert_values(connection, plan, values, survey)
        if inserted + len(rejected) < read:
            rejected.extend(_mismatches(connection, plan, values))
    return PartOutcome(read, inserted, rejected)


# ---------------------------------------------------------------- records beyond doubt, and others


def _judged(
    connection: duckdb.DuckDBPyConnection, plan: Plan, relation: str, unterminated_rows: Set[int]
) -> Iterator[tuple[int, Rejection | None]]:
    """Yield the number of each record, and its rejection where the strict parser has a reason."""
    query = f"select row_number, line_number, record, json_valid(record) from {relation}"
    for row, line, text, is_valid in rows_of(connection, query):
        verdict = json_verdict.verdict_on(
            text,
            types=plan.types,
            is_valid=is_valid,
            is_unterminated=row in unterminated_rows,
        )
        yield row, verdict and Rejection(row, *verdict, text=text, line_number=line)


def _approved(
    judged: Iterable[tuple[int, Rejection | None]], rejected: Rejections
) -> Iterator[int]:
    """Yield the numbers of the sound records, and add the others to the rejected ones."""
    for row, rejection in judged:
        if rejection is None:
            yield row
        else:
            rejected.extend([rejection])


def _mismatches(
    connection: duckdb.DuckDBPyConnection, plan: Plan, values: str
) -> Iterator[Rejection]:
    """Yield the rejections of records whose values do not fit their columns."""
    query = f"select row_number, line_number, record from {values} where value is null"
    for row, line, text in rows_of(connection, query):
        detail = json_verdict.mismatch_in(text, plan.types)
        yield Rejection(row, "wrong_type", detail, text=text, line_number=line)


def _note_rows(connection: duckdb.DuckDBPyConnection, folder: Path, numbers: Iterable[int]) -> None:
    """Make the table `noted_rows` of these, through a work file since there may be very many."""
    path = folder / "noted_rows.work"
    with open(path, "w", encoding="ascii") as file:
        file.writelines(f"{number}\n" for number in numbers)
    connection.execute(
        f"create or replace temp table noted_rows as from read_csv({file_literal(path)}, "
        "auto_detect = false, header = false, hive_partitioning = false, "
        "columns = {row_number: 'bigint'})"
    )


# ---------------------------------------------------------------- plan


def _at(level: int, origins: Iterable[Origin]) -> list[Origin]:
    return [origin for origin in origins if origin.level == level and origin.constant is None]


def _structure(data_type: Any) -> Any:
    """Return the type as the structure that from_json takes, every leaf as text."""
    if data_type.id == "struct":
        return {name: _structure(child) for name, child in data_type.children}
    if data_type.id == "list":
        return [_structure(data_type.children[0][1])]
    return "JSON" if str(data_type) == "JSON" else "VARCHAR"


def _is_text(data_type: Any) -> bool:
    if data_type.id in ("struct", "list"):
        return all(_is_text(child) for _, child in data_type.children)
    return str(data_type) in ("VARCHAR", "JSON")


# ---------------------------------------------------------------- survey


def _survey(
    connection: duckdb.DuckDBPyConnection,
    plan: Plan,
    relation: str,
    record: str,
    *,
    is_sample: bool = False,
) -> _Survey:
    keys = f"try(json_keys({record}))"
    if is_sample:
        keys = f"case when {_IS_IN_SAMPLE.format(record)} then {keys} end"
    groups = connection.execute(
        f"select distinct {keys}, {_is_doubtful(plan, record)} from {relation}"
    ).fetchall()
    unknown: set[str] = set()
    is_clean = True
    for keys, has_doubts in groups:
        own_keys = [key for key in keys or () if key not in _NUMBER_KEYS or record == "record"]
        is_sound = bool(own_keys) and len(set(keys)) == len(keys)
        is_clean &= not has_doubts and (is_sound or (is_sample and keys is None))
        unknown.update(key for key in own_keys if key not in plan.known_keys)
    # In an order that no other record has a say in.
    return _Survey(is_clean, tuple(sorted(unknown)), is_sample)


def _clean_condition(plan: Plan) -> str:
    """Return the condition, never null, under which a record needs no second look."""
    return f"{_HAS_SOUND_KEYS} and not {_is_doubtful(plan, 'record')}"


def _is_doubtful(plan: Plan, record: str) -> str:
    names = {name for name, each in plan.types.items() for name in _integers(name, each)}
    is_strict = plan.delivery.care in (Care.FAST, Care.WHOLE)
    return is_doubtful(record, names, is_quoted_too=not is_strict)


def _integers(name: str, data_type: Any) -> Iterator[str]:
    """Yield the names under which integers stand in values of the type."""
    if data_type.id == "struct":
        for inner, child in data_type.children:
            yield from _integers(inner, child)
    elif data_type.id == "list":
        yield from _integers(name, data_type.children[0][1])
    elif data_type.id in ("bigint", "integer"):
        yield name


# ---------------------------------------------------------------- the fast way


def _all_columns(plan: Plan, survey: _Survey, found: Mapping[str, str]) -> dict[str, str] | None:
    """Return name and type of all that the reader must find, None where names would clash."""
    declared = {column.name: column.data_type for column in plan.delivery.raw_table.columns}
    columns = {**declared, **found, **dict.fromkeys(survey.unknown_keys, "json")}
    is_few = len(survey.unknown_keys) <= _MAX_UNKNOWN_COLUMNS
    return columns if is_few and _can_stand_together(columns) else None


def _can_stand_together(names: Collection[str]) -> bool:
    """Tell whether columns, or fields of a struct, can have these names."""
    folded = {name.lower() for name in names}
    return len(folded) == len(names) and all(name and "\0" not in name for name in names)


def _found_types(
    connection: duckdb.DuckDBPyConnection, plan: Plan, relation: str, record: str
) -> dict[str, str] | None:
    """Return the types of columns that nest more than declared; None where names clash."""
    rows = connection.execute(
        f"select distinct try(json_structure({record})) from {relation}"
    ).fetchall()
    structures = [json.loads(text) for (text,) in rows if text is not None]
    objects = [each for each in structures if isinstance(each, dict)]
    found: dict[str, str] = {}
    try:
        for name, wanted in plan.types.items():
            if wanted.id in ("struct", "list"):
                wide = widened(wanted, (each[name] for each in objects if name in each))
                if str(duckdb.sqltype(wide)) != str(wanted):
                    found[name] = wide
    except NamesClash:
        return None
    return found


def _widened_plan(connection: duckdb.DuckDBPyConnection, plan: Plan, relation: str) -> Plan:
    """Return the plan that keeps what records nest besides; where names clash, whole columns."""
    found = _found_types(connection, plan, relation, "record")
    if found is not None:
        return replace(typed_plan(plan.delivery, found), enclosing=plan.enclosing)
    whole = [name for name, each in plan.types.items() if each.id in ("struct", "list")]
    members = (
        member(
            name, f"nullif(json_extract(record, {literal(pointer_of([name]))})::varchar, 'null')"
        )
        for name in whole
    )
    return replace(plan, nested=tuple(members))


def _without(connection: duckdb.DuckDBPyConnection, part: Part, row_numbers: Iterable[int]) -> Path:
    """Return a copy of the work file, in which the rows ascend, without these records."""
    path = part.path.with_name("sound.work")
    _note_rows(connection, path.parent, row_numbers)
    left_out = rows_of(connection, "from noted_rows order by row_number")
    beginning = len(b'{"#row":')
    with open(part.path, "rb") as whole, open(path, "wb") as kept:
        next_out = next(left_out, None)
        for line in whole:
            number = line[beginning : beginning + 20].partition(b",")[0].partition(b"}")[0]
            if (int(number),) == next_out:
                next_out = next(left_out, None)
            else:
                kept.write(line)
    return path


def _insert_typed(
    connection: duckdb.DuckDBPyConnection,
    plan: Plan,
    path: Path,
    longest: int,
    columns: Mapping[str, str],
    survey: _Survey,
) -> int:
    """Insert the work file; a member that no column holds, or a value that does not fit, fails.

    DuckDB refuses unknown members only where it has inferred the types itself and every column is
    read, the line number too. It infers from the first line, one value of each type wanted.
    """
    found = {name: duckdb.sqltype(each) for name, each in columns.items()}
    example = {"#row": 0, "#line": 0} | {name: example_of(each) for name, each in found.items()}
    first_line = json.dumps(example, ensure_ascii=False).encode()
    if len(first_line) >= len(FIRST_LINE):
        raise NeedsCare("more fields than the first line of a work file can name", Care.EACH_RECORD)
    with open(path, "r+b") as file:
        file.write(first_line.ljust(len(FIRST_LINE) - 1) + b"\n")
    relation = (
        f"read_json({file_literal(path)}, format = 'newline_delimited', sample_size = 1, "
        "hive_partitioning = false, "
        "maximum_depth = -1, map_inference_threshold = -1, "
        f"maximum_object_size = {max(longest + 128, _MIN_OBJECT_BYTES)})"
    )
    declared = {column.name: column.data_type for column in plan.delivery.raw_table.columns}
    own = {name: identifier(name) for name in plan.columns}
    unknown = [member(key, f"{identifier(key)}::varchar") for key in survey.unknown_keys]
    try:
        return insert_rows(
            connection,
            plan.delivery,
            relation,
            columns=_as_declared(own, found, plan.types, declared),
            other_fields=object_of([*unknown, *_nested(own, found, plan.types)]),
            row_number='"#row"',
            condition='"#row" > 0 and "#line" is not null',
        )
    except (duckdb.InvalidInputException, duckdb.ConversionException, UnicodeDecodeError) as error:
        # DuckDB's message quotes the record and may cut it off within a character.
        raise NeedsCare(str(error), _next_care(plan.delivery.care, survey)) from error


def _next_care(care: Care, survey: _Survey) -> Care:
    if survey.is_sample:
        return Care.WHOLE
    return Care.EACH_RECORD if care is Care.SURVEYED else Care.SURVEYED


# ---------------------------------------------------------------- the careful way


def _values(plan: Plan, relation: str, condition: str) -> str:
    """Return the relation with the record's values, null where the condition does not hold."""
    value = plan.value if condition == "true" else f"case when {condition} then {plan.value} end"
    return f"(select *, {value} as value from {relation})"


def _insert_values(
    connection: duckdb.DuckDBPyConnection, plan: Plan, values: str, survey: _Survey
) -> int:
    return insert_rows(
        connection,
        plan.delivery,
        values,
        columns=plan.columns,
        other_fields=_other_fields(plan, survey.unknown_keys),
        condition="value is not null",
    )


# ---------------------------------------------------------------- what the table does not declare


def _other_fields(plan: Plan, unknown: tuple[str, ...]) -> str:
    if len(unknown) <= _MAX_UNKNOWN_COLUMNS and _can_stand_together(unknown):
        found = f"from_json(record, {literal(json.dumps(dict.fromkeys(unknown, 'JSON')))})"
        members = [
            member(key, f"nullif(({found}).{identifier(key)}::varchar, 'null')") for key in unknown
        ]
    else:
        used = ", ".join(map(literal, sorted(plan.known_keys)))
        entries = "list_sort(map_entries(cast(record::json as map(varchar, json))))"
        is_left = f"each.value is not null and not list_contains([{used}], each.key)"
        texts = "to_json(each.key)::varchar || ':' || each.value::varchar"
        members = [
            f"nullif(array_to_string([{texts} for each in {entries} if {is_left}], ','), '')"
        ]
    return object_of([*members, *plan.nested, *plan.enclosing])
