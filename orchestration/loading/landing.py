"""How a file is landed: a private copy, named by its content, that nobody else writes to."""

import errno
import fcntl
import hashlib
import os
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from orchestration.loading.finding import FoundFile
from orchestration.loading.reasons import FileRefused
from orchestration.loading.stores import StoredObject
from orchestration.loading.warehouse import LoadingStopped

NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
"""What the system says where a disk, or somebody's share of it, is full."""

_CHUNK_BYTES = 1 << 20


class StillChanging(Exception):
    """A file that somebody has open to write, that changed while it was copied, or has gone."""


@dataclass(frozen=True)
class LandedFile:
    """The private copy of a file; its path says nothing but its content."""

    path: Path
    sha256: str


def land(found: FoundFile, landing_dir: Path) -> LandedFile:
    """Copy the file to `<sha256>.landed` in the landing folder while hashing it."""
    incoming = landing_dir / "incoming.part"
    digest = hashlib.sha256()
    with stop_on_full_disk(landing_dir, found.size_bytes), open(incoming, "wb") as copy:
        for chunk in _chunks(found):
            digest.update(chunk)
            copy.write(chunk)
    # No fsync: a copy never outlives the load that made it, so a crash has nothing to lose here.
    path = landing_dir / f"{digest.hexdigest()}.landed"
    os.replace(incoming, path)
    return LandedFile(path, digest.hexdigest())


def is_being_written(found: FoundFile) -> bool:
    """Tell whether a process has the file open for writing; False where that cannot be told."""
    if not isinstance(found.place, Path) or not found.is_regular:
        return False
    try:
        descriptor = _open(found.place)
    except FileRefused:
        return False
    with os.fdopen(descriptor, "rb", buffering=0):
        return _has_writer(descriptor)


def sweep(landing_dir: Path) -> None:
    """Make the landing folder, and empty it of what a killed load left behind."""
    landing_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    for entry in os.scandir(landing_dir):
        if entry.name.endswith((".part", ".landed", ".work")):
            os.unlink(entry.path)


@contextmanager
def stop_on_full_disk(folder: Path, needed_bytes: int) -> Iterator[None]:
    """Turn "no space left" into a stop that says where and how much is needed."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        raise LoadingStopped(
            f"{folder}: no space left; found less than the {needed_bytes:,} bytes that the next "
            "file needs. Free some and load again: nothing is lost"
        ) from error


def _chunks(found: FoundFile) -> Iterator[bytes]:
    """Yield the content of the file as it was found, or stop where it is not, or changes."""
    if isinstance(found.place, StoredObject):
        yield from _object_chunks(found.place)
        return
    if not found.is_regular:
        raise FileRefused("not_regular_file", "it is a link, pipe, socket or device")
    descriptor = _open(found.place)
    with os.fdopen(descriptor, "rb", buffering=0) as source:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise FileRefused("not_regular_file", "it is a link, pipe, socket or device")
        if _has_writer(descriptor):
            raise StillChanging(found.shown_path)
        size = 0
        while chunk := _read(source):
            size += len(chunk)
            yield chunk
        after = os.fstat(descriptor)
    if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, size):
        raise StillChanging(found.shown_path)


def _object_chunks(place: StoredObject) -> Iterator[bytes]:
    size = 0
    try:
        for chunk in place.chunks():
            size += len(chunk)
            yield chunk
    except FileRefused:
        today = place.described_anew()
        if today is not None and not place.is_same_as(today):
            raise StillChanging(place.url) from None
        raise
    if not place.is_same_as(place.described_anew()) or size != place.size_bytes:
        raise StillChanging(place.url)


def _has_writer(descriptor: int) -> bool:
    """Ask the kernel for a read lease, which it only grants where nobody has the file to write.

    False also where it cannot be told: not on Linux, the file is another user's, or its file
    system knows no leases.
    """
    if not hasattr(fcntl, "F_SETLEASE"):
        return False
    try:
        # A writer who comes just now is announced by a signal; the usual one would end us.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    return False


def _open(path: Path) -> int:
    try:
        # Not blocking, not following: a pipe or link put there meanwhile must not hold us up.
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise StillChanging(str(path)) from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise FileRefused("not_regular_file", "it is a link") from error
        raise FileRefused("unreadable", error.strerror or str(error)) from error


def _read(source: BinaryIO) -> bytes:
    try:
        return source.read(_CHUNK_BYTES)
    except OSError as error:
        raise FileRefused("unreadable", error.strerror or str(error)) from error
