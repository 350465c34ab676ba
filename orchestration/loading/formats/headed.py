"""Records whose values a header names: which columns of the raw table they fill."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestration.loading.formats.common import INTEGERS, is_whole_number
from orchestration.loading.formats.left_over import member, object_of
from orchestration.loading.inserting import Delivery
from orchestration.loading.mapping import Origin, origins_of
from orchestration.loading.reasons import FileRefused
from orchestration.loading.text import Rejection
from orchestration.loading.warehouse import literal


@dataclass(frozen=True)
class ColumnPlan:
    """SQL expressions for the columns and for what is left over; `fits` says no value is lost."""

    columns: Mapping[str, str]
    other_fields: str
    fits: str


def column_plan(delivery: Delivery, values: Mapping[str, str]) -> ColumnPlan:
    """Return what to insert, given a SQL expression of text for each name in the header."""
    types = {column.name: column.data_type for column in delivery.raw_table.columns}
    columns: dict[str, str] = {}
    conditions = ["true"]
    used: set[str] = set()
    for origin in origins_of(delivery.raw_table, delivery.source):
        name = _column_of(origin)
        if origin.constant is not None:
            columns[origin.column] = literal(origin.constant)
        elif name in values:
            used.add(name)
            value = values[name]
            if types[origin.column].lower() != "varchar":
                value = f"try_cast({value} as {types[origin.column]})"
                is_kept = f"{value} is not null"
                if types[origin.column].lower() in INTEGERS:
                    is_kept += f" and {is_whole_number(values[name])}"
                conditions.append(f"({values[name]} is null or {is_kept})")
            columns[origin.column] = value
    # By name: the same record is the same text, however the columns of its file stand.
    unused = sorted(set(values) - used)
    rest = object_of([member(name, f"to_json({values[name]})::varchar") for name in unused])
    return ColumnPlan(columns, rest, " and ".join(conditions))


def wanted_columns(delivery: Delivery) -> set[str]:
    """Return the names that a header may have and the source has a use for."""
    return {
        _column_of(origin)
        for origin in origins_of(delivery.raw_table, delivery.source)
        if origin.constant is None
    }


def check_header(columns: Sequence[str], delivery: Delivery) -> None:
    """Refuse a file whose header names a column twice, or none that the source needs."""
    repeated = [name for name in dict.fromkeys(columns) if columns.count(name) > 1]
    if repeated:
        raise FileRefused("duplicate_header", f"twice in the header: {', '.join(repeated)[:300]}")
    wanted = wanted_columns(delivery)
    if not wanted & set(columns):
        found, expected = ", ".join(columns)[:300], ", ".join(sorted(wanted))[:300]
        raise FileRefused(
            "missing_required_column", f"its header is {found!r}; expected one of {expected}"
        )


def wrong_width(
    text: str, found: int, expected: int, row: int, line_number: int | None
) -> Rejection:
    """Return the rejection of a record that has more or fewer values than the header names."""
    detail = f"{found} columns; expected {expected}"
    return Rejection(row, "wrong_column_count", detail, text=text, line_number=line_number)


def wrong_type(row: int, line_number: int | None, text: str) -> Rejection:
    """Return the rejection of a record with a value that is none of its column."""
    detail = "a value cannot be read as the type of its column"
    return Rejection(row, "wrong_type", detail, text=text, line_number=line_number)


def _column_of(origin: Origin) -> str:
    return ".".join(origin.path)
