"""A W3C extended log is read by its `#Fields:` lines, wherever and however often they stand."""

import gzip
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from orchestration.loading import parts
from orchestration.sources import Column, Format, RawTable
from tests.unit.test_loading import Shop
from tests.unit.test_loading_replay import replay

LOG = RawTable(
    kind="log",
    name="log_requests",
    columns=(
        Column("date", "varchar"),
        Column("cs-uri-stem", "varchar"),
        Column("cs(User-Agent)", "varchar"),
        Column("sc-status", "integer"),
    ),
    formats=(Format("w3c", "w3c"),),
    mapped=False,
    on_redelivery="append",
    session_ids_from="inactivity",
)
COLUMNS = '_row_number, date, "cs-uri-stem", "cs(User-Agent)", "sc-status", _other_fields'
HEADER = "#Version: 1.0\n#Fields: date cs-uri-stem sc-status\n"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    here = Shop(tmp_path, LOG, max_rejected_share=1)
    yield here
    here.connection.close()


def test_the_header_decides_the_columns_until_the_next_one(shop: Shop) -> None:
    shop.put(
        "a.log",
        "#Software: x\n#Fields: date cs-uri-stem sc-status\n2026-11-01 /a 200\n2026-11-01 - 404\n"
        "#Date: 2026-11-02\n#fields:  sc-status cs(User-Agent)  date x-new \n"
        "200 A+b 2026-11-02 9\n#Remark: nothing\n"
        "304 - 2026-11-02 -\n#Fields: date cs-uri-stem sc-status\n2026-11-03 /c 200\n",
    )
    assert shop.load().read == 5
    assert shop.rows(COLUMNS) == [
        (1, "2026-11-01", "/a", None, 200, None),
        (2, "2026-11-01", None, None, 404, None),
        (3, "2026-11-02", None, "A+b", 200, '{"x-new":"9"}'),
        (4, "2026-11-02", None, None, 304, None),
        (5, "2026-11-03", "/c", None, 200, None),
    ]


def test_what_no_column_takes_is_kept_by_name_wherever_it_stood(shop: Shop) -> None:
    shop.put("a.log", "#Fields: date x-plan x-colour\n2026-11-01 p c\n")
    shop.put("b.log", "#Fields: x-colour x-plan date\nc p 2026-11-01\n")
    shop.load()
    assert shop.rows("_other_fields::varchar") == [('{"x-colour":"c","x-plan":"p"}',)] * 2


def test_a_restart_repeats_the_header_and_changes_nothing(shop: Shop) -> None:
    shop.put("a.log", HEADER + "2026-11-01 /a 200\n" + HEADER + "2026-11-01 /b 200\n" + HEADER)
    assert shop.load().loaded == 2
    assert shop.rows('_row_number, "cs-uri-stem"') == [(1, "/a"), (2, "/b")]


@pytest.mark.parametrize("name", ["a.log", "a.log.gz"])
def test_line_ends_and_a_byte_order_mark_are_no_content(shop: Shop, name: str) -> None:
    text = "\ufeff" + HEADER.replace("\n", "\r\n") + "2026-11-01 /a 200\r\n\r\n2026-11-01 /b 200"
    content = text.encode()
    shop.put(name, gzip.compress(content) if name.endswith(".gz") else content)
    shop.load()
    assert shop.rows('"cs-uri-stem", "sc-status"') == [("/a", 200), ("/b", 200)]


def test_what_is_no_record_of_its_header_is_rejected(shop: Shop) -> None:
    shop.put(
        "a.log",
        b"2026-11-01 /early 200\n" + HEADER.encode() + b"2026-11-01 /a 200\n"
        b"2026-11-01 /two words 200\n2026-11-01 /a\n#Remark: x\n2026-11-01 /a soon\n"
        b"2026-11-01 /\xff 200\n2026-11-01 /trailing 200 \n\0\0\0\n2026-11-01 /cu",
    )
    loaded = shop.load()
    assert (loaded.read, loaded.loaded, loaded.rejected) == (9, 2, 7)
    assert shop.rows('_row_number, "cs-uri-stem"') == [(2, "/a"), (7, "/trailing")]
    rejected = shop.query(
        "select row_number, line_number, reason, detail, record_text "
        "from raw.rejected_records order by 1"
    )
    assert [(row, line, reason) for row, line, reason, *_ in rejected] == [
        (1, 1, "missing_header"),
        (3, 5, "wrong_column_count"),
        (4, 6, "wrong_column_count"),
        (5, 8, "wrong_type"),
        (6, 9, "invalid_utf8"),
        (8, 11, "control_character"),
        (9, 12, "truncated_record"),
    ]
    assert rejected[1][3:] == ("4 columns; expected 3", "2026-11-01 /two words 200")


def test_a_log_without_any_header_is_rejected_line_by_line(shop: Shop) -> None:
    shop.put("a.log", "#Version: 1.0\n2026-11-01 /a 200\n2026-11-01 /b 200\n")
    assert (shop.load().read, len(shop.rows())) == (2, 0)
    assert shop.rejected() == [(1, "missing_header"), (2, "missing_header")]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [("date date", "duplicate_header"), ("cs-host c-ip", "missing_required_column")],
)
def test_a_header_that_cannot_be_used_refuses_the_file(
    shop: Shop, fields: str, reason: str
) -> None:
    shop.put("a.log", f"{HEADER}2026-11-01 /a 200\n#Fields: {fields}\nx y\n")
    shop.load()
    assert [each[1:] for each in shop.statuses()] == [("refused", reason)]
    assert shop.rows() == []


def test_a_header_without_records_is_of_no_concern(shop: Shop) -> None:
    record = "2026-11-01 /a 200\n"
    shop.put("a.log", f"{HEADER}{record}#Fields: da\n{HEADER}{record}#Fields: da")
    assert shop.load().loaded == 2


def test_a_log_without_records_is_loaded(shop: Shop) -> None:
    shop.put("a.log", HEADER)
    assert [(file.status, file.read) for file in shop.load().files] == [("loaded", 0)]


def test_headers_and_records_find_each_other_through_all_blocks_and_work_files(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.loading.containers._CHUNK_BYTES", 1500)
    monkeypatch.setattr(
        "orchestration.loading.reading.write_parts",
        lambda *args, **options: parts.write_parts(*args, **options | {"part_bytes": 4000}),
    )
    headers = ["date cs-uri-stem sc-status", "sc-status date cs-uri-stem", "cs-uri-stem date x"]
    lines, expected = [], []
    for number in range(900):
        if number % 7 == 0 or number % 50 == 0:
            order = headers[number // 7 % 3].split()
            lines.append("#Fields: " + " ".join(order))
        values = {"date": "d", "cs-uri-stem": f"/{number}", "sc-status": "200", "x": "1"}
        # a line in the same place with a byte that is no text, or of another width
        if number % 11 == 5:
            lines.append("a \udcff b")
        elif number % 13 == 5:
            lines.append("a b c d")
        else:
            lines.append(" ".join(values[name] for name in order))
            expected.append((number + 1, f"/{number}", "d", None if "x" in order else 200))
    shop.put("a.log", "\n".join(lines).encode("utf-8", "surrogateescape"))
    loaded = shop.load()
    assert shop.rows('_row_number, "cs-uri-stem", date, "sc-status"') == expected
    assert (loaded.read, loaded.rejected) == (900, 900 - len(expected))
    assert [number for number, _ in shop.rejected()] == sorted(
        set(range(1, 901)) - {each[0] for each in expected}
    )


def test_each_member_of_a_zip_has_its_own_headers(shop: Shop) -> None:
    with zipfile.ZipFile(shop.inbox / "logs.zip", "w") as archive:
        archive.writestr("1.log", HEADER + "2026-11-01 /a 200\n2026-11-01 /broken\n")
        archive.writestr("2.log", "#Fields: cs-uri-stem x\n/b 1\n#Fields: x cs-uri-stem\n2 /c\nd\n")
    loaded = shop.load()
    assert (loaded.read, loaded.rejected) == (5, 2)
    assert shop.rows('_row_number, "cs-uri-stem", "sc-status", _other_fields') == [
        (1, "/a", 200, None),
        (3, "/b", None, '{"x":"1"}'),
        (4, "/c", None, '{"x":"2"}'),
    ]
    assert shop.rejected() == [(2, "wrong_column_count"), (5, "wrong_column_count")]


def test_a_rejected_record_is_put_through_again_under_the_header_it_stood_under(shop: Shop) -> None:
    shop.put(
        "a.log",
        f"{HEADER}2026-11-01 /a 200\n2026-11-01 /b soon\n2026-11-01 /broken\n"
        "#Fields: sc-status cs-uri-stem\nlater /c\n",
    )
    assert shop.load().rejected == 3
    shop.connection.execute('alter table raw.log_requests alter "sc-status" type varchar')
    columns = tuple(replace(column, data_type="varchar") for column in LOG.columns)
    shop.table = replace(LOG, columns=columns)
    (outcome,) = replay(shop)
    assert (outcome.tried, outcome.replayed, outcome.still_rejected) == (3, 2, 1)
    assert shop.rows('_row_number, date, "cs-uri-stem", "sc-status"') == [
        (1, "2026-11-01", "/a", "200"),
        (2, "2026-11-01", "/b", "soon"),
        (4, None, "/c", "later"),
    ]
