"""What a landed file is, by its first bytes, and its content as verified chunks of bytes."""

import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from orchestration.loading import zipped
from orchestration.loading.reasons import FileRefused

MAX_DECOMPRESSION_RATIO = 200

_READ_BYTES = 256 << 10
_CHUNK_BYTES = 4 << 20
_GZIP_MAGIC = b"\x1f\x8b"
_PARQUET_MAGIC = b"PAR1"
_UTF8_BOM = b"\xef\xbb\xbf"
_ARCHIVES = {
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x04\x22\x4d\x18": "lz4",
}
_OTHER_ENCODINGS = {
    b"\xff\xfe": "UTF-16 (little endian)",
    b"\xfe\xff": "UTF-16 (big endian)",
    b"\x00\x00\xfe\xff": "UTF-32",
}
_HTML = re.compile(rb"\s*(<!doctype\s+html|<html|<head|<body)\b", re.IGNORECASE)


def is_parquet(path: Path) -> bool:
    """Tell whether the file begins as Parquet does."""
    with open(path, "rb") as file:
        return file.read(4) == _PARQUET_MAGIC


def read_content(path: Path, name: str) -> Iterator[bytes]:
    """Yield the text content in chunks, unpacked and without BOM; refuse what is no text."""
    with open(path, "rb") as file:
        head = file.read(16)
        if not head and name.lower().endswith(".gz"):
            raise FileRefused("gzip_truncated", "the file is empty; gzip of nothing has 20 bytes")
        file.seek(0)
        if head.startswith(zipped.MAGICS):
            yield from zipped.read_members(file, _text_of, MAX_DECOMPRESSION_RATIO)
        else:
            yield from _text_of(file)


def _text_of(file: BinaryIO) -> Iterator[bytes]:
    """Yield the text of a file, or of a member of a zip, that is plain or gzip."""
    if file.peek(2).startswith(_GZIP_MAGIC):
        yield from _text(_unpacked(file), is_unpacked=True)
    else:
        yield from _text(iter(lambda: file.read(_CHUNK_BYTES), b""), is_unpacked=False)


def _text(chunks: Iterator[bytes], *, is_unpacked: bool) -> Iterator[bytes]:
    head = next(chunks, b"")
    while len(head) < 1024 and (more := next(chunks, b"")):
        head += more
    if is_unpacked and head.startswith(_GZIP_MAGIC):
        raise FileRefused("double_compressed", "its content is gzip again")
    for magic, archive in _ARCHIVES.items():
        if head.startswith(magic):
            raise FileRefused("unsupported_container", f"its first bytes are those of {archive}")
    for magic, encoding in _OTHER_ENCODINGS.items():
        if head.startswith(magic):
            raise FileRefused("unsupported_encoding", f"its byte order mark says {encoding}")
    if head.startswith(_PARQUET_MAGIC):
        raise FileRefused("unsupported_container", "it is Parquet inside gzip; unpack it")
    if _HTML.match(head):
        raise FileRefused("html_page", f"it begins with {head[:80]!r}")
    yield head.removeprefix(_UTF8_BOM)
    yield from chunks


def _unpacked(file: BinaryIO) -> Iterator[bytes]:
    """Yield what the gzip members hold; zlib verifies checksum and length at each one's end."""
    member = zlib.decompressobj(wbits=31)
    made_bytes = 0
    packed = file.read(_READ_BYTES)
    while True:
        try:
            chunk = member.decompress(packed, _CHUNK_BYTES)
        except zlib.error as error:
            raise FileRefused("gzip_corrupt", str(error)) from error
        made_bytes += len(chunk)
        read_bytes = file.tell() - len(member.unconsumed_tail)
        if made_bytes > MAX_DECOMPRESSION_RATIO * max(read_bytes, 4096):
            raise FileRefused(
                "decompression_limit",
                f"its first {read_bytes:,} bytes unpack to {made_bytes:,}; "
                f"expected at most {MAX_DECOMPRESSION_RATIO} times as many",
            )
        if chunk:
            yield chunk
        if member.eof:
            following = _after_padding(member.unused_data, file)
            if not following:
                return
            if not following.startswith(_GZIP_MAGIC):
                raise FileRefused(
                    "gzip_trailing_garbage", f"{following[:16]!r} follows the last gzip member"
                )
            member = zlib.decompressobj(wbits=31)
            packed = following
        elif not packed and not chunk:
            raise FileRefused("gzip_truncated", f"it breaks off after {made_bytes:,} bytes")
        else:
            packed = member.unconsumed_tail or file.read(_READ_BYTES)


def _after_padding(unused: bytes, file: BinaryIO) -> bytes:
    """Return what follows a member and its padding of zeros, with a magic number in one piece."""
    following = unused.lstrip(b"\0")
    while len(following) < 2 and (more := file.read(_READ_BYTES)):
        following = (following + more).lstrip(b"\0")
    return following
