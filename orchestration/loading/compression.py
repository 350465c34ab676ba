"""What gzip and zstd streams hold: chunks of bytes, every stream verified to its end."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import zstandard
from zlib_ng import zlib_ng

from orchestration.loading.reasons import FileRefused

MAX_RATIO = 200
"""What unpacks to more than so many times its size is taken for a bomb."""

# Its lines, copied a few times on their way, stay in a processor's cache.
_CHUNK_BYTES = 256 << 10
_RATIO_FROM_BYTES = 4 << 10


@dataclass(frozen=True)
class Compression:
    """A way of packing content, as one stream or as several, one after the other.

    `fed_bytes` is how much is unpacked at a time: so little that the result fits in memory,
    whatever the bytes say.
    """

    name: str
    magics: tuple[bytes, ...]
    begin: Callable[[], Any]
    damage: type[Exception]
    fed_bytes: int
    is_padded: bool


_GZIP = Compression(
    name="gzip",
    magics=(b"\x1f\x8b",),
    begin=lambda: zlib_ng.decompressobj(wbits=31),
    damage=zlib_ng.error,
    # At most a thousand times as much: 16 MiB.
    fed_bytes=16 << 10,
    # Tapes and block devices fill the last block with zeros.
    is_padded=True,
)
_ZSTD = Compression(
    name="zstd",
    # The others begin frames that hold no data: an index of the file, say.
    magics=(b"\x28\xb5\x2f\xfd", *(bytes([0x50 + n]) + b"\x2a\x4d\x18" for n in range(16))),
    begin=lambda: zstandard.ZstdDecompressor().decompressobj(),
    damage=zstandard.ZstdError,
    # Four bytes may stand for 128 KiB: 32 MiB.
    fed_bytes=1 << 10,
    is_padded=False,
)
_ALL = (_GZIP, _ZSTD)
_SUFFIXES = {".gz": _GZIP, ".zst": _ZSTD, ".zstd": _ZSTD}


def compression_of(head: bytes) -> Compression | None:
    """Return how content that begins so is packed, None where it is not."""
    return next((each for each in _ALL if head.startswith(each.magics)), None)


def split_suffix(name: str) -> tuple[str, Compression | None]:
    """Return the name in lower case without the suffix of a compression, and that compression."""
    lowered = name.lower()
    for suffix, compression in _SUFFIXES.items():
        if lowered.endswith(suffix):
            return lowered.removesuffix(suffix), compression
    return lowered, None


def unpack(file: BinaryIO, compression: Compression) -> Iterator[bytes]:
    """Yield what the streams hold; the library verifies checksums at each one's end."""
    stream = compression.begin()
    read_bytes = made_bytes = 0
    made: list[bytes] = []
    waiting_bytes = 0
    following = b""
    while True:
        packed = following or file.read(compression.fed_bytes)
        if not packed:
            raise FileRefused(
                f"{compression.name}_truncated", f"it breaks off after {made_bytes:,} bytes"
            )
        read_bytes += 0 if following else len(packed)
        following = b""
        try:
            chunk = stream.decompress(packed)
        except compression.damage as error:
            raise _damaged(compression, error) from error
        made_bytes += len(chunk)
        waiting_bytes += len(chunk)
        if made_bytes > MAX_RATIO * max(read_bytes, _RATIO_FROM_BYTES):
            raise FileRefused(
                "decompression_limit",
                f"its first {read_bytes:,} bytes unpack to {made_bytes:,}; "
                f"expected at most {MAX_RATIO} times as many",
            )
        made.append(chunk)
        if waiting_bytes >= _CHUNK_BYTES:
            yield b"".join(made)
            made, waiting_bytes = [], 0
        if stream.eof:
            unused = stream.unused_data
            following = _next_stream(unused, file, compression)
            if not following:
                break
            read_bytes += len(following) - len(unused)
            stream = compression.begin()
    if waiting_bytes:
        yield b"".join(made)


def _next_stream(unused: bytes, file: BinaryIO, compression: Compression) -> bytes:
    """Return the beginning of the next stream, empty at the end; refuse anything else."""
    longest = max(map(len, compression.magics))
    following = unused
    while True:
        if compression.is_padded:
            following = following.lstrip(b"\0")
        if len(following) >= longest or not (more := file.read(compression.fed_bytes)):
            break
        following += more
    if following and not following.startswith(compression.magics):
        raise FileRefused(
            f"{compression.name}_trailing_garbage",
            f"{following[:16]!r} follows the last {compression.name} stream",
        )
    return following


def _damaged(compression: Compression, error: Exception) -> FileRefused:
    if "too much memory" in str(error):
        detail = "unpacking it needs a window of more than 128 MiB; pack it without --long"
        return FileRefused("decompression_limit", detail)
    return FileRefused(f"{compression.name}_corrupt", str(error))
