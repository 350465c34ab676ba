"""By which options a file is read, and which of them are others today. Pure.

An option is kept as a digest: enough to tell that it changed, and as small as ten thousand files
want it.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from orchestration.sources import RawTable, Source

READING_OPTIONS = ("timezone", "mapping", "records", "only")
"""Keys of sources.yml that decide how a file is read, beside `kind` and `format`."""

Options = Mapping[str, str]


def options_of(source: Source, raw_table: RawTable, format_name: str | None) -> Options:
    """Return a digest of all that decides how a file of that format is read today.

    Without a format, as where a file was refused, every format that the source takes counts.
    """
    wanted = [source.format or format_name] if source.format or format_name else None
    formats = [each for each in raw_table.formats if wanted is None or each.name in wanted]
    return {
        "kind": _digest(source.kind),
        "format": _digest([(each.reader, sorted(each.options.items())) for each in formats]),
        "columns": _digest(
            [
                *((column.name, column.data_type) for column in raw_table.columns),
                raw_table.path_pattern,
            ]
        ),
        **{name: _digest(getattr(source, name)) for name in READING_OPTIONS},
    }


def limits_of(source: Source) -> Options:
    """Return a digest of what decides whether a file that can be read is taken."""
    return {"max_rejected_share": _digest(source.max_rejected_share)}


def changed(before: Options, today: Options) -> tuple[str, ...]:
    """Return the names of the options that are others today."""
    return tuple(name for name in before if before[name] != today.get(name))


def _digest(value: Any) -> str:
    plain = dict(sorted(value.items())) if isinstance(value, Mapping) else value
    return hashlib.md5(repr(plain).encode(), usedforsecurity=False).hexdigest()[:12]
