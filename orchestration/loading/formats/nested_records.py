"""Records that stand in an array inside each line: every element becomes a record of its own."""

import json
from dataclasses import dataclass, replace

import duckdb

from orchestration.loading.parts import Part, part_relation
from orchestration.loading.text import Rejection
from orchestration.loading.warehouse import literal


@dataclass(frozen=True)
class Exploder:
    """The path of the array, and which fields around it are mapped."""

    path: str
    used_in_parent: set[str]

    def explode(
        self, connection: duckdb.DuckDBPyConnection, part: Part
    ) -> tuple[str, int, list[Rejection]]:
        """Return a relation of the elements, how many records there are, and the rejected ones.

        A line without the array stands for itself, with no parent; a line that could not become
        text counts as one record.
        """
        keys = self.path.split(".")
        array = literal("$" + "".join(f".{json.dumps(key, ensure_ascii=False)}" for key in keys))
        elements = literal(
            "$" + "".join(f".{json.dumps(k, ensure_ascii=False)}" for k in keys) + "[*]"
        )
        rest = json.dumps(dict.fromkeys([keys[0], *sorted(self.used_in_parent)]))
        connection.execute(
            f"""
            create or replace temp table exploded_lines as
            with read as (
                select
                    row_number, line_number, record,
                    try(json_type(record, {array})) is not distinct from 'ARRAY' as has_array
                from {part_relation(part, ["record"])}
                union all
                select unnest($1::bigint[]), null, null, false
            ),
            counted as (
                select
                    *,
                    case when has_array then json_array_length(record, {array})::bigint else 1 end
                        as element_count
                from read
            )
            select
                *,
                cast($2 + sum(element_count) over (order by row_number rows unbounded preceding)
                    - element_count as bigint) as rows_before
            from counted
            """,
            [[rejection.row_number for rejection in part.rejections], part.rows_before],
        )
        connection.execute(
            f"""
            create or replace temp table exploded as
            select
                rows_before + unnest(range(1, element_count::bigint + 1)) as row_number,
                line_number,
                unnest(json_extract(record, {elements}))::varchar as record,
                record as parent,
                nullif(json_merge_patch(record, {literal(rest)})::varchar, '{{}}') as parent_rest
            from exploded_lines
            where has_array
            union all
            select rows_before + 1, line_number, record, null, null
            from exploded_lines
            where not has_array and record is not null
            """
        )
        (read,) = connection.execute(
            "select coalesce(sum(element_count), 0)::bigint from exploded_lines"
        ).fetchone()
        numbers = dict(
            connection.execute(
                "select row_number, rows_before + 1 from exploded_lines where record is null"
            ).fetchall()
        )
        rejections = [
            replace(rejection, row_number=numbers[rejection.row_number])
            for rejection in part.rejections
        ]
        return "exploded", read, rejections
