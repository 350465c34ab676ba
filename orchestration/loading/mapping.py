"""Where the records of a file stand, and where each column comes from in one of them. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestration.sources import Column, Format, RawTable, Source


@dataclass(frozen=True)
class Origin:
    """What fills a column: a path into the record or into what encloses it, or a constant.

    `level` counts outwards: 0 is the record, 1 what encloses it, and so on.
    """

    column: str
    path: tuple[str, ...] = ()
    level: int = 0
    constant: str | None = None
    is_json: bool = False

    @property
    def pointer(self) -> str:
        """Return the path as a JSON pointer."""
        return pointer_of(self.path)


@dataclass(frozen=True)
class Nesting:
    """Where records stand in a line: `steps` are paths, each from one object into the next array.

    `only` are fields of the line with the values that they may have; a line that says otherwise
    holds no records of this source.
    """

    steps: tuple[tuple[str, ...], ...]
    only: Mapping[str, tuple[str, ...]]


def nesting_of(source: Source, fmt: Format) -> Nesting | None:
    """Return where the records stand inside the lines, None where every line is a record."""
    path = source.records or fmt.options.get("records")
    only = {**fmt.options.get("only", {}), **source.only}
    if path is None and not only:
        return None
    steps = path.removesuffix("[]").split("[].") if path is not None else ()
    return Nesting(
        steps=tuple(tuple(step.split(".")) for step in steps),
        only={name: _as_tuple(values) for name, values in only.items()},
    )


def origins_of(
    raw_table: RawTable, source: Source, fmt: Format | None = None
) -> tuple[Origin, ...]:
    """Return an origin for each column that a mapping, or its own name, fills."""
    mapping = {**(fmt.options.get("mapping", {}) if fmt is not None else {}), **source.mapping}
    return tuple(
        _origin(column, mapping[column.name])
        if column.name in mapping
        else Origin(column.name, (column.name,), is_json=_is_json(column))
        for column in raw_table.columns
        if column.name in mapping or not source.mapping
    )


def used_keys(origins: Sequence[Origin], level: int = 0) -> set[str]:
    """Return the top-level fields that are mapped as a whole, and so are not left over."""
    return {origin.path[0] for origin in origins if len(origin.path) == 1 and origin.level == level}


def pointer_of(path: Sequence[str]) -> str:
    """Return the path as a JSON pointer."""
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in path)


def _origin(column: Column, configured: str) -> Origin:
    if configured.startswith("="):
        return Origin(column.name, constant=configured[1:])
    path = configured.lstrip("^")
    level = len(configured) - len(path)
    path = path.removeprefix(".") if level else path
    return Origin(column.name, tuple(path.split(".")), level, is_json=_is_json(column))


def _is_json(column: Column) -> bool:
    return column.data_type.lower() == "json"


def _as_tuple(values: str | Sequence[str]) -> tuple[str, ...]:
    return (values,) if isinstance(values, str) else tuple(values)
