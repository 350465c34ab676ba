"""What a landed file is, by its first bytes, and what it holds: unpacked, verified, in chunks."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from orchestration.loading import zipped
from orchestration.loading.compression import (
    MAX_RATIO,
    compression_of,
    split_suffix,
    unpack,
)
from orchestration.loading.landing import stop_on_full_disk
from orchestration.loading.reasons import FileRefused, naming

PARQUET_MAGIC = b"PAR1"

_CHUNK_BYTES = 256 << 10
# The first chunk tells the layout: whether a record ends where its line does.
_FIRST_CHUNK_BYTES = 4 << 20
_HEAD_BYTES = 1024
_UTF8_BOM = b"\xef\xbb\xbf"
_ARCHIVES = {
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
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


@dataclass(frozen=True)
class Content:
    """What a file, or one member of a zip, holds.

    `name` is in lower case, without the suffix of a compression; `member` is the name in the zip;
    `path` is where the content lies unpacked, where it does.
    """

    name: str
    head: bytes
    chunks: Iterator[bytes]
    member: str | None = None
    path: Path | None = None


def read_contents(
    path: Path, name: str, on_read: Callable[[int], None] = lambda _: None
) -> Iterator[Content]:
    """Yield what the file holds: one content, or one for each member of a zip, by their names.

    Read each one to its end before asking for the next. `on_read` is told up to which of the
    file's own bytes it is read.
    """
    with open(path, "rb", buffering=256 << 10) as file:
        if file.peek(4).startswith(zipped.MAGICS):
            contents = _members(file, path.stat().st_size)
        else:
            contents = iter([_content(file, name, path=path)])
        for content in contents:
            yield replace(content, chunks=_telling(content.chunks, file, on_read))


def _telling(
    chunks: Iterator[bytes], file: BinaryIO, on_read: Callable[[int], None]
) -> Iterator[bytes]:
    for chunk in chunks:
        on_read(file.tell())
        yield chunk


def text_of(content: Content) -> Iterator[bytes]:
    """Yield the content as text without byte order mark; refuse what is no text."""
    for magic, encoding in _OTHER_ENCODINGS.items():
        if content.head.startswith(magic):
            raise FileRefused("unsupported_encoding", f"its byte order mark says {encoding}")
    if _HTML.match(content.head):
        raise FileRefused("html_page", f"it begins with {content.head[:80]!r}")
    yield next(content.chunks, b"").removeprefix(_UTF8_BOM)
    yield from content.chunks


def write_unpacked(content: Content, folder: Path) -> Path:
    """Return the path of a file that holds just the content."""
    if content.path is not None:
        return content.path
    path = folder / "unpacked.work"
    written = 0
    with open(path, "wb") as file:
        for chunk in content.chunks:
            written += len(chunk)
            with stop_on_full_disk(folder, written):
                file.write(chunk)
                file.flush()
    return path


def _content(
    file: BinaryIO, name: str, *, member: str | None = None, path: Path | None = None
) -> Content:
    bare_name, claimed = split_suffix(name)
    magic = file.peek(4)[:4]
    if not magic and claimed is not None:
        detail = f"the file is empty; {claimed.name} of nothing is not"
        raise FileRefused(f"{claimed.name}_truncated", detail)
    compression = compression_of(magic)
    if compression is not None:
        path, chunks = None, unpack(file, compression)
    else:
        chunks = iter(lambda: file.read(_CHUNK_BYTES), b"")
    head = next(chunks, b"")
    while len(head) < _FIRST_CHUNK_BYTES and (more := next(chunks, b"")):
        head += more
    if compression is not None and (again := compression_of(head)):
        raise FileRefused("double_compressed", f"unpacked, it is {again.name} again")
    for archive_magic, archive in _ARCHIVES.items():
        if head.startswith(archive_magic):
            raise FileRefused("unsupported_container", f"its first bytes are those of {archive}")
    shown = head[:_HEAD_BYTES].removeprefix(_UTF8_BOM)
    return Content(bare_name, shown, chain([head], chunks), member, path)


def _members(file: BinaryIO, size: int) -> Iterator[Content]:
    allowance = zipped.Allowance(MAX_RATIO * max(size, 4096), size)
    for member, unpacked in zipped.read_members(file):
        with naming(member):
            content = _content(unpacked, member, member=member)
        yield Content(content.name, content.head, allowance.of(content.chunks), member)
