"""Where each column of a raw table comes from in a record. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from orchestration.sources import RawTable, Source


@dataclass(frozen=True)
class Origin:
    """What fills a column: a path into the record or its parent, or a constant."""

    column: str
    path: tuple[str, ...] = ()
    is_in_parent: bool = False
    constant: str | None = None

    @property
    def pointer(self) -> str:
        """Return the path as a JSON pointer."""
        return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in self.path)


def origins_of(raw_table: RawTable, source: Source) -> tuple[Origin, ...]:
    """Return an origin for each column that the source's mapping, or its own name, fills."""
    if not source.mapping:
        return tuple(Origin(column.name, (column.name,)) for column in raw_table.columns)
    return tuple(
        _origin(column.name, source.mapping[column.name])
        for column in raw_table.columns
        if column.name in source.mapping
    )


def used_keys(origins: Sequence[Origin], *, in_parent: bool = False) -> set[str]:
    """Return the top-level fields that are mapped as a whole, and so are not left over."""
    return {
        origin.path[0]
        for origin in origins
        if len(origin.path) == 1 and origin.is_in_parent == in_parent
    }


def _origin(column: str, configured: str) -> Origin:
    if configured.startswith("="):
        return Origin(column, constant=configured[1:])
    is_in_parent = configured.startswith("^.")
    path = tuple(configured.removeprefix("^.").split("."))
    return Origin(column, path, is_in_parent)
