"""Which files a source offers: names, and what lstat or the store says of them. Opens nothing."""

import glob
import os
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from orchestration.loading.stores import StoredObject, StoreUnreachable, list_objects
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


def find_files(source: Source) -> tuple[list[FoundFile], str | None]:
    """Return what the source's folder, glob or store holds, by path, without what is no data.

    Beside it stands what kept more from being found, and what to do: a store or a folder that
    cannot be read.
    """
    if source.is_in_store:
        try:
            return _find_objects(source), None
        except StoreUnreachable as error:
            return [], str(error)
    errors: dict[str, OSError] = {}

    def tell(error: OSError) -> None:
        path = os.path.normpath(error.filename)
        # What has gone meanwhile is no problem, nor what a disk keeps for its repair.
        has_gone = isinstance(error, FileNotFoundError | NotADirectoryError)
        if not has_gone and "lost+found" not in Path(path).parts:
            errors.setdefault(path, error)

    paths = {path for path in _paths(source, tell) if not is_ignored(path.name)}
    found = []
    for path in sorted(paths, key=os.fsencode):
        try:
            entry = describe(path, source.project_dir)
        except OSError as error:
            tell(error)
            continue
        if entry is not None:
            found.append(entry)
    return found, _problem(errors, source.project_dir)


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
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISDIR(status.st_mode):
        return None
    return FoundFile(
        place=path,
        shown_path=_shown(path, project_dir),
        size_bytes=status.st_size,
        modified_at=_time_of(status.st_mtime_ns),
        is_regular=stat.S_ISREG(status.st_mode),
    )


def _time_of(nanoseconds: int) -> datetime:
    """Return the time since 1970, or the nearest that Python knows: a clock may say anything."""
    try:
        return _EPOCH + timedelta(microseconds=nanoseconds // 1000)
    except OverflowError:
        return datetime.min if nanoseconds < 0 else datetime.max


def _paths(source: Source, tell: Callable[[OSError], None]) -> Iterator[Path]:
    place = Path(source.absolute_path)
    if os.path.isdir(place):
        yield from _walk(place, tell)
        return
    if os.path.lexists(place) or not glob.has_magic(source.path):
        yield place
        return
    _tell_what_a_glob_does_not(source, tell)
    for matched in _matches(source, source.path):
        if os.path.isdir(matched) and not os.path.islink(matched):
            yield from _walk(matched, tell)
        else:
            yield matched


def _matches(source: Source, pattern: str) -> Iterator[Path]:
    # Not joined before: the project's own folder may have a name that reads as a pattern.
    for match in glob.iglob(pattern, root_dir=source.project_dir, recursive=True):
        yield source.project_dir / match


def _tell_what_a_glob_does_not(source: Source, tell: Callable[[OSError], None]) -> None:
    """Look where a glob looks: what it cannot list or look at, it passes over in silence."""
    parts = Path(source.path).parts
    for number, part in enumerate(parts):
        # Below `**` it lists every folder.
        for above in (number, number + 1) if part == "**" else (number,):
            for folder in _folders(source, parts[:above]):
                try:
                    _list(folder) if glob.has_magic(part) else os.lstat(folder / part)
                except OSError as error:
                    tell(error)


def _folders(source: Source, parts: Sequence[str]) -> Iterable[Path]:
    pattern = os.path.join(".", *parts, "")
    if glob.has_magic(pattern):
        return _matches(source, pattern)
    return [source.project_dir / pattern]


def _list(folder: Path) -> None:
    with os.scandir(folder) as entries:
        deque(entries, maxlen=0)


def _walk(folder: Path, tell: Callable[[OSError], None]) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder, onerror=tell):
        links = [name for name in folders if os.path.islink(os.path.join(parent, name))]
        folders[:] = [name for name in folders if not name.startswith(".") and name not in links]
        yield from (Path(parent, name) for name in [*names, *links])


def _problem(errors: Mapping[str, OSError], project_dir: Path) -> str | None:
    """Return which place cannot be read, how many others, and what to do; None if there is none."""
    if not errors:
        return None
    path, error = min(errors.items())
    others = f"; and {len(errors) - 1:,} more" if len(errors) > 1 else ""
    advice = (
        "let the account that loads read it and enter it"
        if isinstance(error, PermissionError)
        else "check that its disk is mounted and sound"
    )
    why = f"{_shown(Path(path), project_dir)} cannot be read: {error.strerror}"
    return f"{why}{others}; {advice}, and load again"


def _shown(path: Path, project_dir: Path) -> str:
    shown = path.relative_to(project_dir) if path.is_relative_to(project_dir) else path
    # A name need not be text; what is no UTF-8 is spelled out.
    return os.fsencode(shown).decode("utf-8", "backslashreplace")
