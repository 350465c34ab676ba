"""A zip is one file: all its members are read, each in its own right, or none."""

import bz2
import gzip
import io
import json
import struct
import tracemalloc
import zipfile
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import zstandard

from orchestration.loading import reading
from orchestration.loading.containers import read_contents, text_of
from orchestration.loading.reasons import REFUSAL_REASONS, FileRefused, naming
from tests.unit.test_loading import MAPPED, TYPED, Shop


def zip_of(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in members:
            # A ZipInfo has a fixed time: the same members are always the same bytes.
            archive.writestr(zipfile.ZipInfo(name), content, compress_type=method)
    return packed.getvalue()


def texts_in(folder: Path, packed: bytes) -> list[bytes]:
    path = folder / "export.zip"
    path.write_bytes(packed)
    texts = []
    for content in read_contents(path, path.name):
        with naming(content.member):
            texts.append(b"".join(text_of(content)))
    return texts


def refusal_of(folder: Path, content: bytes) -> FileRefused:
    with pytest.raises(FileRefused) as refused:
        texts_in(folder, content)
    assert refused.value.reason in REFUSAL_REASONS
    return refused.value


def test_members_are_read_in_order_of_their_names(tmp_path: Path) -> None:
    content = zip_of(
        ("b.json.gz", gzip.compress(b"3\n4")),
        ("a.json", b"1\n2\n"),
        ("c.zst", zstandard.compress(b"5")),
    )
    assert texts_in(tmp_path, content) == [b"1\n2\n", b"3\n4", b"5"]


def test_a_member_of_several_gzip_streams_is_read_to_its_end(tmp_path: Path) -> None:
    streams = b"".join(gzip.compress(b"%d\n" % n) for n in range(50_000))
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        (text,) = texts_in(tmp_path, zip_of(("a.gz", streams), method=method))
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


def test_each_csv_member_has_a_header_of_its_own(tmp_path: Path) -> None:
    here = Shop(tmp_path, TYPED)
    here.put(
        "export.zip",
        zip_of(
            ("a.csv", b"id,n\na1,1\na2,2\nbroken\n"),
            ("b.csv.gz", gzip.compress(b"id,n\nb1,3")),
            ("c.csv.zst", zstandard.compress(b"n;id;x\n4;c1;y\nbad;c2;z\n")),
            ("d.csv", b"id,n\n"),
            ("e.jsonl", b'{"id": "e1", "n": 6}\n{"id": "e2"\n'),
        ),
    )
    here.load()
    assert here.rows("_row_number, id, n, _other_fields") == [
        (1, "a1", 1, None),
        (2, "a2", 2, None),
        (4, "b1", 3, None),
        (5, "c1", 4, '{"x":"y"}'),
        (7, "e1", 6, None),
    ]
    assert here.query(
        "select row_number, reason, line_number, detail from raw.rejected_records order by 1"
    ) == [
        (3, "wrong_column_count", 4, "in its member 'a.csv': 1 columns; expected 2"),
        (
            6,
            "wrong_type",
            3,
            "in its member 'c.csv.zst': a value cannot be read as the type of its column",
        ),
        (8, "invalid_json", 2, "in its member 'e.jsonl': Expecting ',' delimiter at character 12"),
    ]
    assert here.query(
        "select records_read, records_loaded, records_rejected from raw.load_files"
    ) == [(8, 5, 3)]
    here.connection.close()


def test_a_member_without_the_header_it_needs_refuses_the_zip(tmp_path: Path) -> None:
    here = Shop(tmp_path, TYPED, format="table")
    here.put("export.zip", zip_of(("a.csv", b"id,n\na1,1\n"), ("b.csv", b"x,y\n1,2\n")))
    here.load()
    (detail,) = here.query("select detail from raw.load_files where status = 'refused'")
    assert detail[0].startswith("its member 'b.csv': its header is 'x, y'")
    assert here.rows() == []
    here.connection.close()


def test_nested_records_of_all_members_are_numbered_through(tmp_path: Path) -> None:
    here = Shop(tmp_path, MAPPED, records="events", mapping={"id": "id", "city": "^.city"})
    of_two = b'{"city": "%s", "events": [{"id": "1"}, {"id": "2"}]}\n'
    here.put("export.zip", zip_of(("a", of_two % b"Ulm"), ("b", of_two % b"Bonn" + b'{"x": 1}\n')))
    here.load()
    assert here.rows("_row_number, id, city") == [
        (1, "1", "Ulm"),
        (2, "2", "Ulm"),
        (3, "1", "Bonn"),
        (4, "2", "Bonn"),
    ]
    assert here.rejected() == [(5, "missing_records")]
    here.connection.close()


def test_many_small_members_share_work_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Shop(tmp_path, TYPED)
    content = zip_of(*((f"{n:03}.json.gz", gzip.compress(b'{"id": "%d"}' % n)) for n in range(300)))
    here.put("export.zip", content)
    parts: list[Any] = []
    original = reading.write_parts
    monkeypatch.setattr(
        reading, "write_parts", lambda *a, **k: (parts.append(p) or p for p in original(*a, **k))
    )
    here.load()
    assert here.rows("_row_number, id") == [(n + 1, str(n)) for n in range(300)]
    assert len(parts) == 1
    here.connection.close()


@pytest.mark.parametrize(
    "name", ["__MACOSX/._a.json", ".DS_Store", "deep/.hidden/a.json", "folder/"]
)
def test_what_an_operating_system_put_there_is_no_member(tmp_path: Path, name: str) -> None:
    content = zip_of((name, b"" if name[-1] == "/" else b"\0"), ("a", b"1"))
    assert texts_in(tmp_path, content) == [b"1"]


def test_a_member_named_upwards_is_read_and_written_nowhere(tmp_path: Path) -> None:
    assert texts_in(tmp_path, zip_of(("../../a.json", b"1\n"))) == [b"1\n"]
    assert [path.name for path in tmp_path.iterdir()] == ["export.zip"]


def test_an_empty_zip_holds_nothing(tmp_path: Path) -> None:
    assert texts_in(tmp_path, zip_of()) == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (zip_of(("a.zip", zip_of(("a", b"1")))), "unsupported_container"),
        (zip_of(("a.bz2", bz2.compress(b"1"))), "unsupported_container"),
        (zip_of(("a.zst", zstandard.compress(b"1" * 99)[:-4])), "zstd_truncated"),
        (zip_of(("a", b"1" * 99), method=zipfile.ZIP_LZMA), "unsupported_container"),
        (zip_of(("a.gz", gzip.compress(gzip.compress(b"1")))), "double_compressed"),
        (zip_of(("a.gz", gzip.compress(b"1" * 999)[:-4])), "gzip_truncated"),
        (zip_of(("a.gz", gzip.compress(b"1" * 999)[:-8] + bytes(8))), "gzip_corrupt"),
        (zip_of(("a", "x".encode("utf-16"))), "unsupported_encoding"),
        (zip_of(("a", b"<!doctype html><p>Sign in")), "html_page"),
    ],
)
def test_a_member_that_cannot_be_read_refuses_the_zip_and_is_named(
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
    for chunk in chain.from_iterable(map(text_of, read_contents(path, path.name))):
        read = [read[0] + len(chunk), max(read[1], len(chunk))]
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert read[0] == 64 << 20
    assert peak_bytes < 20 << 20
