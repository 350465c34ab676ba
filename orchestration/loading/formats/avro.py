"""Reader `avro`: the records of an object container file as JSON lines, block by block.

fastavro decodes the records. The container around them is read here, since it must hold whatever
the bytes say: sizes are bounded before anything is unpacked, and a file that is cut short or
damaged is refused, never read in part.
"""

import bz2
import io
import json
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import cramjam
import zstandard
from fastavro import schemaless_reader

from orchestration.loading.compression import MAX_RATIO
from orchestration.loading.formats.avro_values import Schema, read_schema
from orchestration.loading.reasons import FileRefused

MAGIC = b"Obj\x01"

_SYNC_BYTES = 16
_MAX_BLOCK_BYTES = 64 << 20
_HEADER = {
    "type": "record",
    "name": "header",
    "fields": [
        {"name": "magic", "type": {"type": "fixed", "name": "magic", "size": len(MAGIC)}},
        {"name": "meta", "type": {"type": "map", "values": "bytes"}},
        {"name": "sync", "type": {"type": "fixed", "name": "sync", "size": _SYNC_BYTES}},
    ],
}
_ENCODER = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")
)


def json_lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the records of each block as lines of JSON; refuse what is no sound Avro."""
    stream = _Stream(chunks)
    schema, codec, sync = _read_header(stream)
    block = 0
    while not stream.is_at_end():
        block += 1
        where = f"block {block:,} at byte {stream.offset:,}"
        count = _read_long(stream)
        size = _read_long(stream)
        if not 0 <= size <= _MAX_BLOCK_BYTES:
            raise _invalid(f"{where} has {size:,} bytes; at most {_MAX_BLOCK_BYTES:,} are read")
        data = _unpacked(stream.read(size), codec, where)
        stream.count_made(len(data))
        if stream.read(_SYNC_BYTES) != sync:
            raise _invalid(f"{where} does not end with the file's marker")
        # Every record takes at least a byte, as the schema was made sure to say.
        if not 0 <= count <= len(data):
            raise _invalid(f"{where} claims {count:,} records in {len(data):,} bytes")
        yield _lines(data, count, schema, where)


def field_names(head: bytes) -> set[str]:
    """Return the names of the fields as the header says that `head` begins with, if it is whole."""
    try:
        schema, _, _ = _read_header(_Stream(iter([head])))
    except FileRefused:
        return set()
    return set(schema.field_names)


class _Stream:
    """The bytes of a file, to be read in pieces of wanted sizes."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._waiting = io.BytesIO()
        self._made_bytes = 0
        self.offset = 0

    def read(self, size: int) -> bytes:
        """Return just so many bytes; refuse the file where it ends before."""
        if not 0 <= size <= _MAX_BLOCK_BYTES:
            raise _invalid(f"a value of {size:,} bytes at byte {self.offset:,}")
        found = self._waiting.read(size)
        if len(found) < size:
            pieces, length = [found], len(found)
            while length < size:
                chunk = next(self._chunks, b"")
                if not chunk:
                    raise _invalid(f"it breaks off at byte {self.offset + length:,}")
                self._waiting = io.BytesIO(chunk)
                pieces.append(self._waiting.read(size - length))
                length += len(pieces[-1])
            found = b"".join(pieces)
        self.offset += size
        return found

    def is_at_end(self) -> bool:
        """Tell whether no more bytes follow."""
        while not (following := self._waiting.read(1)):
            chunk = next(self._chunks, b"")
            if not chunk:
                return True
            self._waiting = io.BytesIO(chunk)
        self._waiting.seek(-len(following), io.SEEK_CUR)
        return False

    def count_made(self, size: int) -> None:
        """Refuse the file where its blocks unpack to too much."""
        self._made_bytes += size
        if self._made_bytes > MAX_RATIO * max(self.offset, 4096):
            raise FileRefused(
                "decompression_limit",
                f"its first {self.offset:,} bytes unpack to {self._made_bytes:,}; "
                f"expected at most {MAX_RATIO} times as many",
            )


def _read_header(stream: _Stream) -> tuple[Schema, str, bytes]:
    """Return the schema, the codec and the marker that ends each block."""
    try:
        header = schemaless_reader(stream, _HEADER, None)
        meta = header["meta"]
        codec = meta.get("avro.codec", b"null").decode("ascii", "replace")
        schema = read_schema(meta["avro.schema"])
    except FileRefused:
        raise
    except KeyError as error:
        raise _invalid(f"its header has no {error}") from error
    # The library raises many kinds of errors at a header that is not one.
    except Exception as error:
        raise _invalid(f"its header cannot be read: {error or type(error).__name__}") from error
    if codec not in _CODECS:
        raise FileRefused(
            "unsupported_container",
            f"its blocks are packed by {codec!r}; expected one of {', '.join(_CODECS)}",
        )
    return schema, codec, header["sync"]


def _read_long(stream: _Stream) -> int:
    value = shift = 0
    while shift < 64:
        byte = stream.read(1)[0]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1)
        shift += 7
    raise _invalid(f"a number without end at byte {stream.offset:,}")


def _lines(data: bytes, count: int, schema: Schema, where: str) -> bytes:
    # A block is what Avro writes for an array, but for the count before it and the end after it;
    # as one it is decoded in one go.
    encoded = io.BytesIO(_zigzag(count) + data + (b"\0" if count else b""))
    try:
        records = schemaless_reader(encoded, schema.fastavro, None, **schema.options)
        lines = [_line(schema.to_json(record)) for record in records]
    # The library raises whatever the misread bytes lead to.
    except Exception as error:
        detail = f"{type(error).__name__}: {error}".rstrip(": ")
        raise _invalid(f"the records of {where} cannot be decoded: {detail}") from error
    if len(records) != count or encoded.read(1):
        raise _invalid(f"other bytes follow the {count:,} records of {where}")
    lines.append(b"")
    return b"\n".join(lines)


def _zigzag(number: int) -> bytes:
    rest, encoded = number << 1, bytearray()
    while rest > 0x7F:
        encoded.append(rest & 0x7F | 0x80)
        rest >>= 7
    encoded.append(rest)
    return bytes(encoded)


def _line(record: Any) -> bytes:
    try:
        text = _ENCODER.encode(record)
    except ValueError:
        text = _ENCODER.encode(_finite(record))
    # Bytes that are no UTF-8 stand again as they were: the record is then rejected for them.
    return text.encode("utf-8", "surrogateescape")


def _finite(value: Any) -> Any:
    """Return the value with the numbers that JSON does not have as text."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    if isinstance(value, float) and value - value != 0:
        return str(value)
    return value


# ---------------------------------------------------------------- codecs

_DAMAGE = (
    zlib.error,
    zstandard.ZstdError,
    lzma.LZMAError,
    cramjam.DecompressionError,
    OSError,
    EOFError,
)


def _unpacked(data: bytes, codec: str, where: str) -> bytes:
    try:
        unpacked = _CODECS[codec](data, _MAX_BLOCK_BYTES + 1)
    except _DAMAGE as error:
        raise _invalid(f"{where} cannot be unpacked: {error}") from error
    if len(unpacked) > _MAX_BLOCK_BYTES:
        raise FileRefused(
            "decompression_limit", f"{where} unpacks to more than {_MAX_BLOCK_BYTES:,} bytes"
        )
    return unpacked


def _by_decompressor(begin: Callable[[], Any]) -> Callable[[bytes, int], bytes]:
    def unpack(data: bytes, limit: int) -> bytes:
        decompressor = begin()
        unpacked = decompressor.decompress(data, limit)
        # Some writers leave a part of zlib's checksum after the packed data.
        if len(unpacked) < limit and not decompressor.eof:
            raise EOFError("its packed data ends too early")
        return unpacked

    return unpack


def _unpack_zstd(data: bytes, limit: int) -> bytes:
    with zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True) as reader:
        return reader.read(limit)


def _unpack_snappy(data: bytes, limit: int) -> bytes:
    packed, checksum = data[:-4], data[-4:]
    # The length stands at the beginning: memory for it is taken only if it is within the limit.
    if cramjam.snappy.decompress_raw_len(packed) >= limit:
        return bytes(limit)
    unpacked = bytes(cramjam.snappy.decompress_raw(packed))
    if zlib.crc32(unpacked).to_bytes(4, "big") != checksum:
        raise OSError("its checksum does not match what it unpacks to")
    return unpacked


_CODECS: dict[str, Callable[[bytes, int], bytes]] = {
    "null": lambda data, _: data,
    "deflate": _by_decompressor(lambda: zlib.decompressobj(wbits=-15)),
    "snappy": _unpack_snappy,
    "zstandard": _unpack_zstd,
    "bzip2": _by_decompressor(bz2.BZ2Decompressor),
    "xz": _by_decompressor(lambda: lzma.LZMADecompressor(memlimit=128 << 20)),
}


def _invalid(detail: str) -> FileRefused:
    return FileRefused("avro_invalid", detail)
