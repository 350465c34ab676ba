"""Records that stand inside the lines: in arrays, arrays of arrays, or an object.

Every element becomes a record of its own that still sees what encloses it. The lines are sound
JSON when they come here, or are told apart first by the strict parser.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from itertools import chain

import duckdb

from orchestration.loading.formats import json_verdict
from orchestration.loading.formats.json_sql import is_doubtful, values_at
from orchestration.loading.formats.left_over import member
from orchestration.loading.mapping import Nesting, Origin, pointer_of, used_keys
from orchestration.loading.parts import Part, part_relation
from orchestration.loading.text import Rejection
from orchestration.loading.warehouse import literal, rows_of

_MAX_PASSED_OVER_KINDS = 20


@dataclass(frozen=True)
class Exploded:
    """The records of a work file: a relation of the sound ones, and what became of the rest."""

    relation: str
    read: int
    rejections: Iterable[Rejection]
    passed_over: Mapping[str, int]


@dataclass(frozen=True)
class Exploder:
    """Takes work files apart, and numbers the records from those before on."""

    nesting: Nesting
    origins: tuple[Origin, ...]

    def explode(self, connection: duckdb.DuckDBPyConnection, part: Part) -> Exploded:
        """Return the records of the next work file.

        An object where an array is expected is one record; a line, or an object inside it, where
        neither stands, or an empty array, or a name twice, is one rejected record.
        """
        connection.execute(
            f"""
            create or replace temp table nested_lines as
            select row_number, line_number, record, {self._is_other()} as is_other,
            from {part_relation(part, ["record"])}
            """
        )
        broken = [*part.rejections, *_broken_lines(connection, part.unterminated_rows)]
        connection.execute(
            f"create or replace temp table exploded as {self._records()}",
            [[rejection.row_number for rejection in broken], part.rows_before],
        )
        (read,) = connection.execute("select count(*) from exploded").fetchone()
        return Exploded(
            relation="(select * from exploded where is_record)",
            read=read,
            rejections=chain(
                _renumbered(connection, broken), _without_records(connection, self.nesting)
            ),
            passed_over=self._passed_over(connection),
        )

    def _is_other(self) -> str:
        """Return the condition, never null, that a line says that it is none of this source's."""
        return " or ".join(["false", *(f"({each})" for each in self._contradictions().values())])

    def _contradictions(self) -> dict[str, str]:
        """Return for each field that is looked at the condition that it has another value."""
        return {
            name: f"coalesce(try(json_extract_string(record, {literal(pointer_of([name]))})) "
            f"not in ({', '.join(map(literal, values))}), false)"
            for name, values in self.nesting.only.items()
        }

    def _passed_over(self, connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
        """Return how many lines were passed over, by the first field that says so."""
        if not self.nesting.only:
            return {}
        told = " ".join(
            f"when {condition} then {literal(name + ' = ')} "
            f"|| left(json_extract_string(record, {literal(pointer_of([name]))}), 100)"
            for name, condition in self._contradictions().items()
        )
        rows = connection.execute(
            f"select case {told} end as told, count(*) as n from nested_lines where is_other "
            "group by told order by n desc, told"
        ).fetchall()
        found = Counter(dict(rows[:_MAX_PASSED_OVER_KINDS]))
        found.update({"other": sum(n for _, n in rows[_MAX_PASSED_OVER_KINDS:])})
        return dict(+found)

    def _records(self) -> str:
        """Return the query of all records, in order; `is_record` is false for rejected ones."""
        depth = len(self.nesting.steps)
        steps = [
            self._step(number, level=depth - number + 1, path=path)
            for number, path in enumerate(self.nesting.steps, start=1)
        ]
        return f"""
            with lines as (
                select row_number, line_number, record from nested_lines where not is_other
                union all
                select unnest($1::bigint[]), null, null
            ),
            step0 as (
                select
                    row_number() over (order by row_number) as row_number,
                    line_number, record, record is not null as is_record,
                    false as has_repeated_name,
                    row_number as line_row_number
                from lines
            )
            {"".join(steps)}
            select * replace ($2::bigint + row_number as row_number) from step{depth}
        """

    def _step(self, number: int, level: int, path: Sequence[str]) -> str:
        """Return the CTEs that go from one object into the array, or the object, at the path.

        A text may be long: it is parsed once for what it holds and once for what encloses that,
        and neither is repeated for each record.
        """
        place = "$" + "".join(f".{json.dumps(key, ensure_ascii=False)}" for key in path)
        one, each = literal(place), literal(f"{place}[*]")
        own = [origin for origin in self.origins if origin.level == level]
        outer = "".join(
            f"values{higher}, rest{higher}, "
            for higher in range(level + 1, len(self.nesting.steps) + 1)
        )
        used = json.dumps(dict.fromkeys(sorted(used_keys(own, level))))
        rest = f"json_merge_patch(enclosing, {literal(used)})::varchar"
        return f""",
            checked{number} as (
                select * replace (
                    is_record and not is_repeated as is_record,
                    has_repeated_name or is_repeated as has_repeated_name
                )
                from (
                    select *, is_record and ({_has_repeated_name(path)}) as is_repeated
                    from step{number - 1}
                )
            ),
            taken{number} as (
                select
                    *,
                    case when is_record then json_extract(record, {each}) end as elements,
                    case when is_record then {_without(path)} end as enclosing
                from checked{number}
            ),
            found{number} as (
                select
                    row_number, line_number, line_row_number, has_repeated_name, {outer}
                    case
                        when len(elements) > 0 then elements::varchar[]
                        when is_record and json_type(record, {one}) = 'OBJECT'
                            then [json_extract(record, {one})::varchar]
                    end as found,
                    case when found is null then record end as record,
                    {values_at("enclosing", own)} as values{level},
                    nullif({rest}, '{{}}') as rest{level}
                from taken{number}
            ),
            numbered{number} as (
                select
                    *,
                    cast(sum(coalesce(len(found), 1)) over (
                        order by row_number rows unbounded preceding
                    ) - coalesce(len(found), 1) as bigint) as rows_before
                from found{number}
            ),
            step{number} as (
                select
                    rows_before + unnest(range(1, coalesce(len(found), 1) + 1)) as row_number,
                    line_number,
                    unnest(coalesce(found, [record])) as record,
                    found is not null as is_record,
                    has_repeated_name,
                    line_row_number,
                    {outer}values{level}, rest{level}
                from numbered{number}
            )
        """


def other_fields_of_enclosing(nesting: Nesting) -> list[str]:
    """Return the members, null where empty, that keep what nothing maps of what encloses a record.

    Each is named as a mapping would reach it: `^` encloses the record, `^^` encloses that.
    """
    return [member("^" * level, f"rest{level}") for level in range(1, len(nesting.steps) + 1)]


# ---------------------------------------------------------------- lines


def _broken_lines(
    connection: duckdb.DuckDBPyConnection, unterminated_rows: Set[int]
) -> list[Rejection]:
    """Return the lines that are no sound JSON objects, and take them out."""
    connection.execute(
        f"""
        create or replace temp table doubtful_lines as
        select row_number, line_number, record, json_valid(record) as is_valid from nested_lines
        where
            not is_other
            and (
                not json_valid(record)
                or {is_doubtful("record")}
                or coalesce(
                    len(list_distinct(try(json_keys(record)))) <> len(try(json_keys(record))), true
                )
            )
        """
    )
    rejections: list[Rejection] = []
    for row, line, text, is_valid in rows_of(connection, "from doubtful_lines"):
        verdict = json_verdict.verdict_on(
            text, types={}, is_valid=is_valid, is_unterminated=row in unterminated_rows
        )
        if verdict is not None:
            rejections.append(Rejection(row, *verdict, text=text, line_number=line))
    if rejections:
        connection.execute(
            "delete from nested_lines where row_number in (select unnest($1::bigint[]))",
            [[rejection.row_number for rejection in rejections]],
        )
    return rejections


def _renumbered(
    connection: duckdb.DuckDBPyConnection, broken: Iterable[Rejection]
) -> list[Rejection]:
    numbers = dict(
        connection.execute(
            "select line_row_number, row_number from exploded where record is null"
        ).fetchall()
    )
    return [replace(each, row_number=numbers[each.row_number]) for each in broken]


def _without_records(
    connection: duckdb.DuckDBPyConnection, nesting: Nesting
) -> Iterator[Rejection]:
    path = "[].".join(".".join(step) for step in nesting.steps)
    rows = rows_of(
        connection,
        "select row_number, line_number, record, has_repeated_name "
        "from exploded where not is_record and record is not null",
    )
    repeated = "duplicate_key", f"a name stands twice on the way to {path}"
    missing = "missing_records", f"{path} is not there, or is empty"
    for row, line, text, is_repeated in rows:
        reason = repeated if is_repeated else missing
        yield Rejection(row, *reason, text=text, line_number=line)


# ---------------------------------------------------------------- what is left over


def _has_repeated_name(path: Sequence[str]) -> str:
    """Return the condition, never null, that an object on the path has a name twice.

    Of two arrays of records under one name only the first would be found.
    """
    keys = [
        f"try(json_keys(record, {literal(pointer_of(path[:depth]))}))" for depth in range(len(path))
    ]
    return " or ".join(
        f"coalesce(len(list_distinct({each})) < len({each}), false)" for each in keys
    )


def _without(path: Sequence[str]) -> str:
    """Return the record without what is at the path, and without objects that this leaves empty."""
    left = f"json_merge_patch(record, {literal(_removal_of(path))})::varchar"
    for length in range(len(path) - 1, 0, -1):
        outer = path[:length]
        left = (
            f"list_transform([{left}], lambda enclosing: case "
            f"when json_extract(enclosing, {literal(pointer_of(outer))})::varchar = '{{}}' "
            f"then json_merge_patch(enclosing, {literal(_removal_of(outer))})::varchar "
            "else enclosing end)[1]"
        )
    return left


def _removal_of(path: Sequence[str]) -> str:
    """Return the merge patch that removes what is at the path."""
    patch: object = None
    for key in reversed(path):
        patch = {key: patch}
    return json.dumps(patch)
