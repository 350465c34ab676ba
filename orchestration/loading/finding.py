"""Which files a source offers: names, and what lstat or the store says of them. Opens nothing."""

import glob
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from orchestration.loading.stores import StoredObject, list_objects
from orchestration.sources import Source

_UNFINISHED = (".tmp", ".temp", ".part", ".partial", ".crdownload", ".download", ".filepart")
_EDITOR_BACKUPS = ("~", ".bak", ".swp", ".swo", ".orig")
_NOT_DATA = {"thumbs.db", "desktop.ini"}

_EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True)
class FoundFile:
    """A directory entry or an object that may be an export; `shown_path` is its name as text."""

    place: Path | StoredObject
    shown_path: str
    size_bytes: int
    modified_at: datetime
    is_regular: bool = True
    etag: str | None = None

    @property
    def name(self) -> str:
        """Return the last part of the path."""
        return self.place.name

    def is_older_than(self, seconds: float) -> bool:
        """Tell whether nobody has written to the file for that long."""
        age = datetime.now(UTC).replace(tzinfo=None) - self.modified_at
        return age >= timedelta(seconds=seconds)


def find_files(source: Source) -> list[FoundFile]:
    """Return what the source's folder, glob or store holds, by path, without what is no data."""
    if source.is_in_store:
        return _find_objects(source)
    found = {path: None for path in _paths(source) if not is_ignored(path.name)}
    return [
        entry
        for path in sorted(found, key=os.fsencode)
        if (entry := describe(path, source.project_dir)) is not None
    ]


def _find_objects(source: Source) -> list[FoundFile]:
    fixed_parts = set(source.path.split("/"))
    return [
        FoundFile(
            place=each,
            shown_path=each.url,
            size_bytes=each.size_bytes,
            modified_at=each.modified_at,
            etag=each.etag,
        )
        for each in sorted(list_objects(source.path), key=lambda each: each.url.encode())
        if not is_ignored(each.name)
        and not any(
            part.startswith(".") and part not in fixed_parts for part in each.url.split("/")[:-1]
        )
    ]


def is_ignored(name: str) -> bool:
    """Tell whether the name marks no data: hidden, unfinished, a marker, an editor's backup."""
    lowered = name.lower()
    return (
        name.startswith((".", "_", "#"))
        or lowered.endswith(_UNFINISHED)
        or lowered.endswith(_EDITOR_BACKUPS)
        or lowered in _NOT_DATA
    )


def describe(path: Path, project_dir: Path) -> FoundFile | None:
    """Return what lstat says of the path; None where it is a folder or has gone."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    if stat.S_ISDIR(status.st_mode):
        return None
    return FoundFile(
        place=path,
        shown_path=_shown(path, project_dir),
        size_bytes=status.st_size,
        modified_at=_EPOCH + timedelta(microseconds=status.st_mtime_ns // 1000),
        is_regular=stat.S_ISREG(status.st_mode),
    )


def _paths(source: Source) -> Iterator[Path]:
    place = Path(source.absolute_path)
    if place.is_dir():
        yield from _walk(place)
    elif os.path.lexists(place):
        yield place
    else:
        for match in glob.iglob(str(place), recursive=True):
            matched = Path(match)
            if matched.is_dir() and not matched.is_symlink():
                yield from _walk(matched)
            else:
                yield matched


def _walk(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(parent, name))]
        folders[:] = [name for name in folders if not name.startswith(".") and name not in links]
        yield from (Path(parent, name) for name in [*names, *links])


def _shown(path: Path, project_dir: Path) -> str:
    shown = path.relative_to(project_dir) if path.is_relative_to(project_dir) else path
    # A name need not be text; what is no UTF-8 is spelled out.
    return os.fsencode(shown).decode("utf-8", "backslashreplace")
