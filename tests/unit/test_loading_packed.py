"""What is packed, gzip or zstd, text or Parquet, is read as if it lay there unpacked."""

import errno
import gzip
import io
import struct
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import zstandard

from orchestration.loading import LoadingStopped, containers
from orchestration.loading.containers import read_contents, text_of
from orchestration.loading.reasons import REFUSAL_REASONS, FileRefused
from tests.unit.test_loading import TYPED, Shop
from tests.unit.test_loading_zip import zip_of

TEXT = b"".join(b'{"id": "%d", "n": %d}\n' % (n, n * n) for n in range(20_000))
SKIPPABLE = b"\x5e\x2a\x4d\x18" + struct.pack("<I", 6) + b"unread"


def zstd(content: bytes, **options: Any) -> bytes:
    return zstandard.ZstdCompressor(**options).compress(content)


PACKED = zstd(TEXT, write_checksum=True)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    here = Shop(tmp_path, TYPED)
    yield here
    here.connection.close()


def text_in(folder: Path, content: bytes, name: str = "file") -> bytes:
    path = folder / "landed"
    path.write_bytes(content)
    texts = [b"".join(text_of(content)) for content in read_contents(path, name)]
    assert len(texts) == 1
    return texts[0]


# ---------------------------------------------------------------- zstd


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(PACKED, id="with checksum"),
        pytest.param(zstd(TEXT), id="without"),
        pytest.param(zstd(TEXT, write_content_size=False), id="of unknown size"),
        pytest.param(b"".join(map(zstd, TEXT.splitlines(True))), id="a frame per line"),
        pytest.param(SKIPPABLE + PACKED + zstd(b"") + SKIPPABLE, id="frames without data"),
    ],
)
@pytest.mark.parametrize("name", ["a.jsonl.zst", "a.jsonl"])
def test_zstd_is_read_to_its_end_whatever_its_name(
    tmp_path: Path, content: bytes, name: str
) -> None:
    assert text_in(tmp_path, content, name) == TEXT


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (PACKED[:-1], "zstd_truncated"),
        (PACKED[: len(PACKED) // 2], "zstd_truncated"),
        (PACKED + zstd(b"more")[:-2], "zstd_truncated"),
        (PACKED[:4], "zstd_truncated"),
        (PACKED[:-4] + bytes(4), "zstd_corrupt"),
        (PACKED + b"garbage", "zstd_trailing_garbage"),
        (PACKED + b"\x28", "zstd_trailing_garbage"),
        (PACKED + bytes(9), "zstd_trailing_garbage"),
        (zstd(PACKED), "double_compressed"),
        (zstd(gzip.compress(TEXT)), "double_compressed"),
        (gzip.compress(PACKED), "double_compressed"),
        (zstd(zip_of(("a", b"1"))), "unsupported_container"),
        (zstd("x".encode("utf-16")), "unsupported_encoding"),
        (zstd(b"\0" * (64 << 20)), "decompression_limit"),
    ],
)
def test_damaged_zstd_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(FileRefused) as refused:
        text_in(tmp_path, content)
    assert refused.value.reason == reason
    assert reason in REFUSAL_REASONS


def test_a_window_too_large_for_memory_is_refused(tmp_path: Path) -> None:
    wide = zstandard.ZstdCompressionParameters(window_log=30, enable_ldm=True)
    packer = zstandard.ZstdCompressor(compression_params=wide).compressobj()
    with pytest.raises(FileRefused, match="without --long"):
        text_in(tmp_path, packer.compress(TEXT) + packer.flush())


def test_an_empty_file_named_zstd_is_truncated(tmp_path: Path) -> None:
    with pytest.raises(FileRefused, match="zstd_truncated"):
        text_in(tmp_path, b"", "a.jsonl.zst")


@pytest.mark.parametrize("pack", [zstd, gzip.compress])
def test_a_bomb_is_refused_before_it_fills_the_memory(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    content = pack(b"\0" * (256 << 20))
    tracemalloc.start()
    with pytest.raises(FileRefused, match="decompression_limit"):
        text_in(tmp_path, content)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 100 << 20


def test_each_flipped_bit_is_refused_or_changes_nothing(tmp_path: Path) -> None:
    content = zstd(TEXT[:4000], write_checksum=True)
    for position in range(4, len(content), 7):
        damaged = bytearray(content)
        damaged[position] ^= 1 << position % 8
        try:
            found = text_in(tmp_path, bytes(damaged))
        except FileRefused as refusal:
            assert refusal.reason.startswith(("zstd_", "decompression_limit"))
        else:
            assert found == TEXT[:4000]


def test_zstd_is_loaded_as_plain_text_is(shop: Shop) -> None:
    shop.put("a.jsonl.zst", PACKED)
    assert shop.load().loaded == 20_000
    assert shop.query("select count(distinct id), sum(n) from raw.typed_events") == [
        (20_000, sum(n * n for n in range(20_000)))
    ]


# ---------------------------------------------------------------- Parquet


def parquet(
    folder: Path, query: str = "select range as id, 7 as n, 'x' as x from range(3)"
) -> bytes:
    path = folder / "made.parquet"
    duckdb.sql(query).write_parquet(str(path))
    return path.read_bytes()


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("a.parquet.gz", gzip.compress),
        ("a.parquet.zst", zstd),
        ("a.zip", lambda content: zip_of(("a.parquet", content))),
        ("a.zip", lambda content: zip_of(("a.parquet.gz", gzip.compress(content)))),
        # As PostHog names a Parquet file whose pages are packed.
        ("a.parquet.zst", lambda content: content),
    ],
)
def test_packed_parquet_is_read_as_parquet(
    shop: Shop, tmp_path: Path, name: str, pack: Callable[[bytes], bytes]
) -> None:
    shop.put(name, pack(parquet(tmp_path)))
    shop.load()
    assert shop.rows("_row_number, id, n, _other_fields") == [
        (n + 1, str(n), 7, '{"x":"x"}') for n in range(3)
    ]
    assert list((tmp_path / "landing").iterdir()) == []


def test_a_zip_may_hold_parquet_between_texts(shop: Shop, tmp_path: Path) -> None:
    query = "select 'b' as id, unnest(['2', 'bad']) as n"
    shop.put(
        "a.zip",
        zip_of(
            ("a.jsonl", b'{"id": "a"}\n'),
            ("b.parquet", parquet(tmp_path, query)),
            ("c.csv", b"id\nc\n"),
            ("d.parquet", parquet(tmp_path, "select 'd' as id")),
        ),
    )
    shop.load()
    assert shop.rows("_row_number, id, n") == [
        (1, "a", None),
        (2, "b", 2),
        (4, "c", None),
        (5, "d", None),
    ]
    assert shop.query("select row_number, reason, detail from raw.rejected_records") == [
        (
            3,
            "wrong_type",
            "in its member 'b.parquet': a value cannot be read as the type of its column",
        )
    ]


@pytest.mark.parametrize(
    ("pack", "reason"),
    [
        (lambda content: gzip.compress(content)[:-9], "gzip_truncated"),
        (lambda content: gzip.compress(content[:-9]), "parquet_invalid"),
        (lambda content: zip_of(("a", content[:-9])), "parquet_invalid"),
        (lambda content: gzip.compress(b"PAR1" + bytes(20 << 20)), "decompression_limit"),
    ],
)
def test_damaged_packed_parquet_is_refused(
    shop: Shop, tmp_path: Path, pack: Callable[[bytes], bytes], reason: str
) -> None:
    shop.put("a", pack(parquet(tmp_path)))
    (file,) = shop.load().files
    assert (file.status, file.reason) == ("refused", reason)
    assert shop.rows() == []


def test_what_only_its_packed_name_calls_parquet_is_refused(shop: Shop) -> None:
    shop.put("a.parquet.gz", gzip.compress(b'{"id": "1"}'))
    (file,) = shop.load().files
    assert (file.status, file.reason) == ("refused", "parquet_invalid")


def test_a_disk_too_full_to_unpack_stops_the_load(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.put("a.parquet.gz", gzip.compress(parquet(tmp_path)))
    original = Path.open

    class Full(io.BytesIO):
        def write(self, _: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(
            containers,
            "open",
            lambda path, *rest, **more: (
                Full() if path.suffix == ".work" else original(path, *rest, **more)
            ),
            raising=False,
        )
        with pytest.raises(LoadingStopped, match="no space left"):
            shop.load()
    assert shop.load().loaded == 3
