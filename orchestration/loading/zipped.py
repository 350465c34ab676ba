"""What a zip of text members holds: one text, member after member, every one of them whole."""

import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

from orchestration.loading.reasons import FileRefused

MAGICS = (b"PK\x03\x04", b"PK\x05\x06")

_END_MAGIC = b"PK\x05\x06"
_END_BYTES = 22
_IS_ENCRYPTED = 0x1
# The others may ask for gigabytes of memory (lzma), or the standard library cannot unpack them.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What zipfile raises at a damaged archive: ValueError for names and places that cannot be.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError)


def read_members(
    file: BinaryIO, read_text: Callable[[BinaryIO], Iterator[bytes]], max_ratio: int
) -> Iterator[bytes]:
    """Yield the text of the members in order of their names, each ending with a line end.

    `read_text` yields what one member holds; zipfile verifies each one's checksum at its end.
    """
    size = file.seek(0, os.SEEK_END)
    made_bytes = 0
    try:
        with zipfile.ZipFile(file) as archive:
            _refuse_other_archives(archive, file)
            for member in _text_members(archive):
                for chunk in _whole_lines(archive, member, read_text):
                    made_bytes += len(chunk)
                    if made_bytes > max_ratio * max(size, 4096):
                        raise FileRefused(
                            "decompression_limit",
                            f"its {size:,} bytes unpack to more than {made_bytes:,}; "
                            f"expected at most {max_ratio} times as many",
                        )
                    yield chunk
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


def _text_members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
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


def _whole_lines(
    archive: zipfile.ZipFile,
    member: zipfile.ZipInfo,
    read_text: Callable[[BinaryIO], Iterator[bytes]],
) -> Iterator[bytes]:
    if member.flag_bits & _IS_ENCRYPTED:
        raise FileRefused("zip_encrypted", f"its member {member.filename!r} has a password")
    if member.compress_type not in _METHODS:
        raise FileRefused(
            "unsupported_container",
            f"its member {member.filename!r} is packed by method {member.compress_type}; "
            "expected stored or deflated",
        )
    last = b"\n"
    with archive.open(member) as content:
        try:
            for chunk in read_text(content):
                yield chunk
                last = chunk[-1:] or last
        except FileRefused as refusal:
            detail = f"its member {member.filename!r}: {refusal.detail}"
            raise FileRefused(refusal.reason, detail) from refusal
        if content.tell() != member.file_size:
            raise FileRefused(
                "zip_corrupt",
                f"its member {member.filename!r} has {content.tell():,} bytes; "
                f"its directory says {member.file_size:,}",
            )
    if last != b"\n":
        yield b"\n"
