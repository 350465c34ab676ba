"""What a zip holds: its members, every one of them whole."""

import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from orchestration.loading.compression import MAX_RATIO
from orchestration.loading.reasons import FileRefused, naming

MAGICS = (b"PK\x03\x04", b"PK\x05\x06")

_END_MAGIC = b"PK\x05\x06"
_END_BYTES = 22
_IS_ENCRYPTED = 0x1
# The others may ask for gigabytes of memory (lzma), or the standard library cannot unpack them.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What zipfile raises at a damaged archive: ValueError for names and places that cannot be,
# NotImplementedError where it seems to be of a kind that zipfile cannot unpack.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError)


@dataclass
class Allowance:
    """How many bytes all members together may still unpack to."""

    left_bytes: int
    packed_bytes: int

    def of(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the chunks while they are allowed."""
        for chunk in chunks:
            self.left_bytes -= len(chunk)
            if self.left_bytes < 0:
                raise FileRefused(
                    "decompression_limit",
                    f"its {self.packed_bytes:,} bytes unpack to more than {MAX_RATIO} times as "
                    "many, the limit",
                )
            yield chunk


def read_members(file: BinaryIO) -> Iterator[tuple[str, "Member"]]:
    """Yield name and content of each member that is data, in the order of their names."""
    with _whole():
        archive = zipfile.ZipFile(file)
    with archive:
        with _whole():
            _refuse_other_archives(archive, file)
            members = _data_members(archive)
        for member in members:
            with naming(member.filename), _open(archive, member) as content:
                yield member.filename, Member(content, member.file_size)


@dataclass(frozen=True)
class Member:
    """What a member holds, as a file to be read once: damage anywhere in it is a refusal."""

    content: zipfile.ZipExtFile
    size_bytes: int

    def peek(self, size: int) -> bytes:
        """Return the next bytes without taking them."""
        with _whole():
            return self.content.peek(size)

    def read(self, size: int) -> bytes:
        """Return the next bytes; zipfile verifies the checksum at the end, this the length."""
        with _whole():
            found = self.content.read(size)
            if not found and self.content.tell() != self.size_bytes:
                raise zipfile.BadZipFile(
                    f"it has {self.content.tell():,} bytes; the directory says {self.size_bytes:,}"
                )
            return found


@contextmanager
def _whole() -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise FileRefused("zip_corrupt", str(error) or type(error).__name__) from error


def _refuse_other_archives(archive: zipfile.ZipFile, file: BinaryIO) -> None:
    """Refuse bytes before or after the archive: another one there would be lost unnoticed."""
    file.seek(0)
    begins_with_member = file.read(4) != _END_MAGIC
    offsets = [member.header_offset for member in archive.infolist()]
    if min(offsets, default=None) != (0 if begins_with_member else None):
        raise FileRefused("zip_corrupt", "its directory does not list what the file begins with")
    file.seek(-_END_BYTES - len(archive.comment), os.SEEK_END)
    if file.read(4) != _END_MAGIC:
        raise FileRefused("zip_corrupt", "other bytes follow the end of the archive")


def _data_members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    found = [
        member
        for member in archive.infolist()
        if not member.is_dir() and not _is_hidden(member.filename)
    ]
    return sorted(found, key=lambda member: (member.filename, member.header_offset))


def _is_hidden(name: str) -> bool:
    """Tell whether an operating system put the member there: .DS_Store, __MACOSX/…"""
    parts = name.split("/")
    return "__MACOSX" in parts or any(part.startswith(".") and part.strip(".") for part in parts)


def _open(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> zipfile.ZipExtFile:
    if member.flag_bits & _IS_ENCRYPTED:
        raise FileRefused("zip_encrypted", "it has a password")
    if member.compress_type not in _METHODS:
        raise FileRefused(
            "unsupported_container",
            f"it is packed by method {member.compress_type}; expected stored or deflated",
        )
    with _whole():
        return archive.open(member)
