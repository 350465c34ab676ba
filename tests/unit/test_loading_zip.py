"""A zip of text members is one file: all of it is read, in order, or none."""

import gzip
import io
import json
import struct
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest

from orchestration.loading.containers import read_content
from orchestration.loading.reasons import REFUSAL_REASONS, FileRefused
from tests.unit.test_loading import TYPED, Shop


def zip_of(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return packed.getvalue()


def text_in(folder: Path, content: bytes) -> bytes:
    path = folder / "export.zip"
    path.write_bytes(content)
    return b"".join(read_content(path, path.name))


def refusal_of(folder: Path, content: bytes) -> FileRefused:
    with pytest.raises(FileRefused) as refused:
        text_in(folder, content)
    assert refused.value.reason in REFUSAL_REASONS
    return refused.value


def test_members_are_one_text_in_order_of_their_names(tmp_path: Path) -> None:
    content = zip_of(("b.json.gz", gzip.compress(b"3\n4")), ("a.json", b"1\n2\n"), ("c", b"5"))
    assert text_in(tmp_path, content) == b"1\n2\n3\n4\n5\n"


def test_a_member_of_several_gzip_streams_is_read_to_its_end(tmp_path: Path) -> None:
    streams = b"".join(gzip.compress(b"%d\n" % n) for n in range(50_000))
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        text = text_in(tmp_path, zip_of(("a.gz", streams), method=method))
        assert text == b"".join(b"%d\n" % n for n in range(50_000))


def test_a_zip_is_one_file_with_one_row_in_the_ledger(tmp_path: Path) -> None:
    here = Shop(tmp_path, TYPED)
    lines = [json.dumps({"id": str(n)}).encode() for n in range(1, 6)]
    here.put(
        "export.zip",
        zip_of(
            ("1/2026-03-14_1.json.gz", gzip.compress(b"\n".join(lines[:3]))),
            ("1/2026-03-14_0.json.gz", gzip.compress(b"\n".join(lines[3:]) + b"\n\nbroken")),
            ("1/2026-03-14_2.json", b""),
        ),
    )
    here.load()
    counts = "status, records_read, records_loaded, records_rejected"
    assert here.query(f"select {counts} from raw.load_files") == [("loaded", 6, 5, 1)]
    assert here.rows("_row_number, id") == [(1, "4"), (2, "5"), (4, "1"), (5, "2"), (6, "3")]
    assert here.rejected() == [(3, "invalid_json")]
    assert [file.status for file in here.load().files] == ["unchanged"]
    here.connection.close()


@pytest.mark.parametrize(
    "name", ["__MACOSX/._a.json", ".DS_Store", "deep/.hidden/a.json", "folder/"]
)
def test_what_an_operating_system_put_there_is_no_member(tmp_path: Path, name: str) -> None:
    assert text_in(tmp_path, zip_of((name, b"" if name[-1] == "/" else b"\0"), ("a", b"1"))) == (
        b"1\n"
    )


def test_a_member_named_upwards_is_read_and_written_nowhere(tmp_path: Path) -> None:
    assert text_in(tmp_path, zip_of(("../../a.json", b"1\n"))) == b"1\n"
    assert [path.name for path in tmp_path.iterdir()] == ["export.zip"]


def test_an_empty_zip_holds_no_text(tmp_path: Path) -> None:
    assert text_in(tmp_path, zip_of()) == b""


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (zip_of(("a.zip", zip_of(("a", b"1")))), "unsupported_container"),
        (zip_of(("a.zst", b"\x28\xb5\x2f\xfd" + bytes(20))), "unsupported_container"),
        (zip_of(("a.parquet", b"PAR1" + bytes(20))), "unsupported_container"),
        (zip_of(("a", b"1" * 99), method=zipfile.ZIP_LZMA), "unsupported_container"),
        (zip_of(("a.gz", gzip.compress(gzip.compress(b"1")))), "double_compressed"),
        (zip_of(("a.gz", gzip.compress(b"1" * 999)[:-4])), "gzip_truncated"),
        (zip_of(("a.gz", gzip.compress(b"1" * 999)[:-8] + bytes(8))), "gzip_corrupt"),
        (zip_of(("a", "x".encode("utf-16"))), "unsupported_encoding"),
        (zip_of(("a", b"<!doctype html><p>Sign in")), "html_page"),
    ],
)
def test_a_member_that_is_no_text_refuses_the_zip_and_is_named(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    refusal = refusal_of(tmp_path, content)
    assert refusal.reason == reason
    assert "member 'a" in refusal.detail


def with_bytes(content: bytes, place: int, new: bytes) -> bytes:
    return content[:place] + new + content[place + len(new) :]


def test_a_member_with_a_password_refuses_the_zip(tmp_path: Path) -> None:
    content = zip_of(("a", b"1\n"))
    flags = content.index(b"PK\x01\x02") + 8
    locked = with_bytes(with_bytes(content, 6, b"\x01"), flags, b"\x01")
    assert refusal_of(tmp_path, locked).reason == "zip_encrypted"


SOUND = zip_of(("a.json", b'{"id": "1"}\n' * 40), ("b.json", b"2\n"), method=zipfile.ZIP_STORED)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(SOUND.replace(b'"1"', b'"7"', 1), id="checksum"),
        pytest.param(SOUND[:-30], id="cut short"),
        pytest.param(SOUND[:60], id="only the beginning"),
        pytest.param(b"PK\x03\x04" + bytes(200), id="only the magic"),
        pytest.param(SOUND + b"and more", id="bytes after it"),
        pytest.param(SOUND + SOUND, id="two zips"),
        pytest.param(SOUND + zip_of(), id="a zip and an empty one"),
        pytest.param(zip_of() + SOUND, id="an empty zip and another"),
        pytest.param(
            with_bytes(SOUND, SOUND.index(b"PK\x01\x02") + 42, struct.pack("<I", 1 << 31)),
            id="a member beyond the end",
        ),
    ],
)
def test_a_damaged_zip_is_refused(tmp_path: Path, content: bytes) -> None:
    assert refusal_of(tmp_path, content).reason == "zip_corrupt"


@pytest.mark.parametrize("difference", [-1, 1])
def test_a_member_of_another_length_than_the_zip_says_is_refused(
    tmp_path: Path, difference: int
) -> None:
    content = zip_of(("a", b"1\n" * 99))
    length = content.index(b"PK\x01\x02") + 24
    wrong = with_bytes(content, length, struct.pack("<I", 198 + difference))
    assert refusal_of(tmp_path, wrong).reason == "zip_corrupt"


@pytest.mark.parametrize("is_gzip", [False, True])
def test_a_zip_bomb_is_refused_before_it_unpacks(tmp_path: Path, is_gzip: bool) -> None:
    members = [(f"{n}", b'{"id": "1"}\n' * 1_000_000) for n in range(5)]
    if is_gzip:
        members = [(name, gzip.compress(content, 9)) for name, content in members]
    tracemalloc.start()
    refusal = refusal_of(tmp_path, zip_of(*members))
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert refusal.reason == "decompression_limit"
    assert peak_bytes < 40 << 20


def test_a_large_member_is_read_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive, archive.open("a.json", "w") as member:
        for _ in range(64):
            member.write((b"x" * 1023 + b"\n") * 1024)
    read: list[Any] = [0, 0]
    tracemalloc.start()
    for chunk in read_content(path, path.name):
        read = [read[0] + len(chunk), max(read[1], len(chunk))]
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert read[0] == 64 << 20
    assert peak_bytes < 20 << 20
