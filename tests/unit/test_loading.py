"""A file is loaded exactly once, whole or not at all, and nothing of it is lost."""

import errno
import gzip
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import pytest

from orchestration.loading import (
    LoadingStopped,
    LoadSummary,
    create_raw_tables,
    load,
    load_source,
    open_warehouse,
    reading,
)
from orchestration.loading.finding import describe
from orchestration.loading.formats import json_documents, json_rows, json_text
from orchestration.loading.landing import StillChanging, land
from orchestration.loading.reasons import FileRefused
from orchestration.sources import Column, Format, RawTable, Source
from tests.references.locked_folders import lock_folders

TYPED = RawTable(
    kind="typed",
    name="typed_events",
    columns=(
        Column("id", "varchar"),
        Column("n", "bigint"),
        Column("place", "struct(city varchar, zip bigint)"),
        Column("params", "struct(key varchar, value struct(text varchar, number bigint))[]"),
    ),
    formats=(
        Format("json_lines", "json"),
        Format("table", "csv"),
        Format("parquet", "parquet"),
    ),
    mapped=False,
    on_redelivery="append",
    session_ids_from="tracker",
)
MAPPED = replace(
    TYPED,
    kind="mapped",
    name="mapped_events",
    columns=tuple(Column(name, "varchar") for name in ("id", "n", "city", "visitor")),
    mapped=True,
)


class Shop:
    """A warehouse with one source, and the folder that the source looks at."""

    def __init__(self, folder: Path, table: RawTable, **options: Any) -> None:
        self.folder, self.table = folder, table
        self.inbox = folder / "inbox"
        self.inbox.mkdir(exist_ok=True)
        self.source = Source("shop", table.kind, "inbox", folder, **options)
        self.connection = open_warehouse(
            folder / "w.duckdb", memory_limit="1GB", threads=2, temp_dir=folder / "tmp"
        )
        create_raw_tables(self.connection, {table.kind: table}, [self.source])

    def put(self, name: str, content: Any) -> Path:
        """Deliver a file: bytes, text, or records to write as JSON lines."""
        path = self.inbox / name
        if isinstance(content, list):
            content = "".join(json.dumps(record) + "\n" for record in content)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def load(self) -> LoadSummary:
        return load_source(self.connection, self.source, self.table, self.folder / "landing")

    def load_again(self) -> LoadSummary:
        landing = self.folder / "landing"
        return load_source(self.connection, self.source, self.table, landing, again=True)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql).fetchall()

    def rows(self, columns: str = "*", order: str = "_row_number") -> list[tuple[Any, ...]]:
        return self.query(f"select {columns} from raw.{self.table.name} order by {order}")

    def rejected(self) -> list[tuple[Any, ...]]:
        return self.query("select row_number, reason from raw.rejected_records order by 1")

    def statuses(self) -> list[tuple[Any, ...]]:
        return self.query("select path, status, reason from raw.load_files order by load_id")


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Callable[..., Shop]]:
    opened: list[Shop] = []

    def open_shop(table: RawTable = TYPED, **options: Any) -> Shop:
        opened.append(Shop(tmp_path, table, **options))
        return opened[-1]

    yield open_shop
    for each in opened:
        each.connection.close()


PROFILES = replace(
    TYPED,
    name="typed_profiles",
    columns=(Column("id", "varchar"), Column("version", "bigint")),
    recognised_by=frozenset({"id", "version"}),
)
TWO_TABLES = replace(TYPED, further=(PROFILES,))
BY_PATH = replace(
    TYPED, path_pattern=r"(?P<_table>[a-z]+)\.", path_columns=(Column("_table", "varchar"),)
)


# ---------------------------------------------------------------- once


def test_a_second_load_changes_nothing(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.put("a.jsonl", [{"id": "1"}])
    assert here.load().loaded == 1
    before = here.rows(), here.query("from raw.load_files")
    again = here.load()
    assert [file.status for file in again.files] == ["unchanged"]
    assert (here.rows(), here.query("from raw.load_files")) == before


def test_the_same_content_again_is_not_loaded_again(shop: Callable[..., Shop]) -> None:
    here = shop()
    path = here.put("a.jsonl", [{"id": "1"}])
    here.put("b.jsonl", [{"id": "1"}])
    here.load()
    os.utime(path, (1, 1))
    here.load()
    assert [status for _, status, _ in here.statuses()] == ["loaded", "repeated", "repeated"]
    assert len(here.rows()) == 1


def test_two_sources_may_load_the_same_file(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.put("a.jsonl", [{"id": "1"}])
    here.load()
    here.source = replace(here.source, name="other")
    here.load()
    assert here.query("select count(distinct _file_id) from raw.typed_events") == [(2,)]


def test_a_restated_file_replaces_what_it_delivered_before(shop: Callable[..., Shop]) -> None:
    here = shop(on_redelivery="replace")
    here.put("a.jsonl", '{"id": "1"}\n{"id": "2"}\nbroken\n')
    here.put("b.jsonl", [{"id": "9"}])
    here.load()
    here.put("a.jsonl", [{"id": "3"}])
    here.load()
    assert here.rows("id", order="id") == [("3",), ("9",)]
    assert here.rejected() == []
    assert here.query(
        "select records_read, records_loaded, records_rejected, superseded_by_file_id is not null "
        "from raw.load_files order by load_id"
    ) == [(3, 2, 1, True), (1, 1, 0, False), (1, 1, 0, False)]


def test_a_restated_file_may_return_to_what_it_was(shop: Callable[..., Shop]) -> None:
    here = shop(on_redelivery="replace")
    for records in ([{"id": "1"}], [{"id": "two"}], [{"id": "1"}]):
        here.put("a.jsonl", records)
        here.load()
    assert here.rows("id") == [("1",)]
    assert [status for _, status, _ in here.statuses()] == ["loaded"] * 3


def test_a_rotated_file_is_not_superseded_by_its_successor(shop: Callable[..., Shop]) -> None:
    here = shop(on_redelivery="replace")
    path = here.put("log", [{"id": "old"}])
    here.load()
    path.rename(here.inbox / "log.1")
    here.load()
    here.put("log", [{"id": "new"}])
    here.load()
    assert here.rows("id", order="id") == [("new",), ("old",)]


def test_an_appended_file_keeps_what_it_delivered_before(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.put("a.jsonl", [{"id": "1"}])
    here.load()
    here.put("a.jsonl", [{"id": "1"}, {"id": "2"}])
    here.load()
    assert here.rows("id", order="id") == [("1",), ("1",), ("2",)]


def test_a_file_still_being_written_is_left_alone(shop: Callable[..., Shop]) -> None:
    here = shop(settle_seconds=60)
    path = here.put("a.jsonl", [{"id": "1"}])
    assert [file.status for file in here.load().files] == ["not_ready"]
    os.utime(path, (1, 1))
    assert [file.status for file in here.load().files] == ["loaded"]


# ---------------------------------------------------------------- whole or not at all


@pytest.mark.parametrize(("module", "name"), [(reading, "insert_rejections"), (load, "sweep")])
def test_a_load_that_dies_leaves_no_trace_of_its_file(
    shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str
) -> None:
    here = shop()
    here.put("a.jsonl", '{"id": "1"}\nbroken\n')

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, name, die)
        with pytest.raises(KeyboardInterrupt):
            here.load()
    assert (here.rows(), here.rejected(), here.statuses()) == ([], [], [])
    assert here.load().loaded == 1


def test_an_unforeseen_error_refuses_the_file_and_no_other(
    shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = shop()
    here.put("a.jsonl", [{"id": "1"}])
    here.put("b.csv", "id,n\n2,2\n")
    with monkeypatch.context() as patch:
        patch.setattr(json_rows, "_survey", lambda *_, **__: 1 / 0)
        here.load()
        assert here.statuses() == [
            ("inbox/a.jsonl", "refused", "internal_error"),
            ("inbox/b.csv", "loaded", None),
        ]
        assert here.query("select detail from raw.load_files where load_id = 1") == [
            ("ZeroDivisionError: division by zero",)
        ]
        here.load()
        assert len(here.statuses()) == 2, "the same refusal again is no news"
    here.load()
    assert here.rows("id", order="id") == [("1",), ("2",)]


def test_a_damaged_end_takes_back_the_whole_file(shop: Callable[..., Shop]) -> None:
    here = shop()
    packed = gzip.compress("".join(f'{{"id": "{n}"}}\n' for n in range(50_000)).encode())
    here.put("a.jsonl.gz", packed[:-8] + bytes(8))
    here.load()
    assert here.statuses() == [("inbox/a.jsonl.gz", "refused", "gzip_corrupt")]
    assert here.rows() == []


def test_a_broken_warehouse_stops_the_load(
    shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = shop()
    here.put("a.jsonl", [{"id": "1"}])

    def no_space(*_: Any) -> None:
        raise duckdb.IOException("Could not write file: No space left on device")

    monkeypatch.setattr(reading, "insert_rejections", no_space)
    with pytest.raises(LoadingStopped, match="No space left"):
        here.load()
    assert here.statuses() == []


def test_a_full_disk_stops_the_load_and_refuses_no_file(
    shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = shop()
    here.put("a.jsonl", [{"id": "1"}])

    def no_space(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(reading, "insert_rejections", no_space)
    with pytest.raises(LoadingStopped, match="no space left to load"):
        here.load()
    assert here.statuses() == []


def test_the_path_of_the_warehouse_says_nothing_about_the_data(tmp_path: Path) -> None:
    folder = tmp_path / "id=7" / "env=prod"
    folder.mkdir(parents=True)
    here = Shop(folder, TYPED)
    here.put("a.jsonl", '{"id": "1"}\nbroken\n{"id": "2", "extra": 1}\n')
    here.put("b.csv", "id,n\n3,4\n")
    duckdb.sql(f"copy (select '5' as id) to '{here.inbox / 'c.parquet'}'")
    here.load()
    assert [status for _, status, _ in here.statuses()] == ["loaded"] * 3
    assert here.rows("id, _other_fields", "id") == [
        ("1", None),
        ("2", '{"extra":1}'),
        ("3", None),
        ("5", None),
    ]
    assert here.rejected() == [(2, "invalid_json")]
    here.connection.close()


def test_a_file_from_beyond_the_calendar_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.touch()
    far = int(datetime(9999, 12, 31).timestamp()) + 10**7
    try:
        os.utime(path, (far, far))
    except OSError:
        pytest.skip("this file system keeps no such time")
    found = describe(path, tmp_path)
    assert found is not None
    assert found.modified_at.year >= 2100


def test_a_file_that_has_gone_since_it_was_found_is_not_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("{}")
    found = describe(path, tmp_path)
    assert found is not None
    path.unlink()
    with pytest.raises(StillChanging):
        land(found, tmp_path)


def test_a_byte_order_mark_does_not_hide_what_a_file_is(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.put("a.jsonl", b"\xef\xbb\xbf<!DOCTYPE html><p>Sign in")
    here.put("b.csv", b'\xef\xbb\xbf{"id": "1"}\n')
    here.load()
    assert [each[1:] for each in here.statuses()] == [("refused", "html_page"), ("loaded", None)]
    assert here.rows("id") == [("1",)]


def test_nothing_stays_in_the_landing_folder(shop: Callable[..., Shop]) -> None:
    here = shop()
    landing = here.folder / "landing"
    landing.mkdir()
    (landing / "stale.landed").write_text("of a load that was killed")
    here.put("a.jsonl", '{"id": "1"}\nbroken\n')
    here.put("b.jsonl.gz", b"\x1f\x8bbroken")
    here.load()
    assert list(landing.iterdir()) == []


def test_a_gzip_bomb_is_refused_before_it_unpacks(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.put("a.jsonl.gz", gzip.compress(b'{"id": "1"}\n' * 5_000_000, 9)[:-8])
    here.load()
    assert here.statuses() == [("inbox/a.jsonl.gz", "refused", "decompression_limit")]


def test_bytes_after_a_gzip_stream_are_not_overlooked(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.put("a.jsonl.gz", gzip.compress(b'{"id": "1"}\n') + b"garbage")
    here.load()
    assert here.statuses() == [("inbox/a.jsonl.gz", "refused", "gzip_trailing_garbage")]


def test_a_link_put_in_place_of_a_found_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    found = describe(tmp_path / "target", tmp_path)
    assert found is not None
    with pytest.raises(FileRefused, match="not_regular_file"):
        land(replace(found, place=tmp_path / "link"), tmp_path)


# ---------------------------------------------------------------- JSON


def test_records_keep_their_numbers_whatever_thread_reads_them(shop: Callable[..., Shop]) -> None:
    here = shop()
    lines = [json.dumps({"id": str(n), "n": n, "pad": "x" * 80}) for n in range(1, 400_001)]
    lines[199_999] = "broken"
    lines[299_998] = " "
    here.put("a.jsonl.gz", gzip.compress("\n".join(lines).encode(), 1))
    summary = here.load()
    assert (summary.read, summary.loaded, summary.rejected) == (399_999, 399_998, 1)
    assert here.query(
        "select count(*) from raw.typed_events "
        "where _row_number <> n - (n > 299999)::int or id <> n::varchar"
    ) == [(0,)]
    assert here.query("select row_number, line_number from raw.rejected_records") == [
        (200_000, 200_000)
    ]


def test_what_the_twin_does_not_declare_is_kept(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.put("a.jsonl", [{"id": "1", "m": {"x": [1]}, "s": "ü", "empty": None}, {"id": "2"}])
    here.load()
    kept = [json.loads(rest) if rest else None for (rest,) in here.rows("_other_fields")]
    assert kept == [{"m": {"x": [1]}, "s": "ü"}, None]


@pytest.mark.parametrize("count", [40, 300])
@pytest.mark.parametrize("table", [TYPED, MAPPED])
def test_many_undeclared_fields_are_kept(
    shop: Callable[..., Shop], table: RawTable, count: int
) -> None:
    here = shop(table)
    fields = {f"field {n}": n for n in range(count)}
    here.put("a.jsonl", [{"id": "1", **fields}, {"id": "2", "ID": "3"}])
    here.load()
    kept = [json.loads(rest) for (rest,) in here.rows("_other_fields")]
    assert kept == [fields, {"ID": "3"}]
    assert here.rows("id") == [("1",), ("2",)]


def test_values_of_the_wrong_type_are_rejected_and_named(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.put(
        "a.jsonl",
        [
            {"id": "good", "n": "7", "place": {"zip": "007"}, "params": [{"key": "k"}]},
            {"id": "1", "n": "seven"},
            {"id": "2", "place": "Berlin"},
            {"id": "3", "params": {"key": "k"}},
            {"id": "4", "params": [{"key": "k", "value": 5}]},
            {"id": "5", "params": [{"key": "k", "value": {"number": "x"}}]},
            {"id": "6", "params": [5]},
            {"id": "nulls", "n": None, "place": None, "params": [None], "new": 1},
        ],
    )
    summary = here.load()
    assert (summary.loaded, summary.rejected) == (2, 6)
    assert here.rows("id, n, place, params, _other_fields") == [
        ("good", 7, {"city": None, "zip": 7}, [{"key": "k", "value": None}], None),
        ("nulls", None, None, [None], '{"new":1}'),
    ]
    details = here.query("select reason, detail from raw.rejected_records order by row_number")
    assert details == [
        ("wrong_type", 'n is "seven"; expected bigint'),
        ("wrong_type", 'place is "Berlin"; expected an object'),
        ("wrong_type", "params is an object; expected an array"),
        ("wrong_type", "params[0].value is 5; expected an object"),
        ("wrong_type", 'params.value.number is "x"; expected bigint'),
        ("wrong_type", "params[0] is 5; expected an object"),
    ]


def test_ids_stay_as_they_are_written(shop: Callable[..., Shop]) -> None:
    here = shop(MAPPED)
    ids = ["9007199254740993", "18446744073709551616", '"00123"', '"1e5"', "42.0", '" x "']
    here.put("a.jsonl", "".join(f'{{"id": {each}}}\n' for each in ids))
    here.load()
    assert [value for (value,) in here.rows("id")] == [each.strip('"') for each in ids]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"id": 1,}', "invalid_json"),
        ('{"id": NaN}', "invalid_json"),
        ('{"id": -inf}', "invalid_json"),
        ('{"id": [1, 2 , ]}', "invalid_json"),
        ('{"id": "\\ud800"}', "invalid_json"),
        ('{"id": "a\tb"}', "invalid_json"),
        ('{"id": "a\x01b"}', "invalid_json"),
        ('{"id": "a\rb"}', "invalid_json"),
        ('{"id": 1}\r{"id": 2}', "invalid_json"),
        ("5", "not_an_object"),
        ('["x"]', "not_an_object"),
        ('{"id": 1, "id": 2}', "duplicate_key"),
        ('{"id": ' + "[" * 1001 + "]" * 1001 + "}", "too_deep"),
    ],
)
@pytest.mark.parametrize("table", [TYPED, MAPPED])
def test_what_is_not_strict_json_is_rejected(
    shop: Callable[..., Shop], table: RawTable, line: str, reason: str
) -> None:
    here = shop(table)
    here.put("a.jsonl", '{"id": "first"}\n' + line + '\n{"id": "last"}\n')
    here.load()
    assert here.rejected() == [(2, reason)]
    assert here.rows("id") == [("first",), ("last",)]


@pytest.mark.parametrize(
    "line",
    [
        '{"id": "x", "a": "NaN, Infinity, ,} ,] nan] inf}"}',
        '{"id": "x", "a": {}, "b": [ ]}',
        ' \t{"id" : "x"}  ',
        '{"id": "x", "a": 1\r}',
        '{"id": "x", "a": "Hainan, China"}',
        '{"id": "x", "a": ' + "[" * 900 + "]" * 900 + "}",
    ],
)
@pytest.mark.parametrize("table", [TYPED, MAPPED])
def test_what_only_looks_odd_is_loaded(
    shop: Callable[..., Shop], table: RawTable, line: str
) -> None:
    here = shop(table)
    here.put("a.jsonl", line + "\n")
    here.load()
    assert here.rejected() == []
    assert here.rows("id") == [("x",)]


def test_a_record_without_any_field_is_loaded(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.put("a.jsonl", "{}\n{ }\n")
    here.load()
    assert here.rows("_row_number, id, _other_fields") == [(1, None, None), (2, None, None)]


def test_an_array_of_records_is_read_as_lines_are(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.put("a.json", '[\n  {"id": "1",\n   "n": 5},\n  {"id": "2"}, 3,\n {"id": NaN}]\n')
    here.load()
    assert here.rows("_row_number, id, n") == [(1, "1", 5), (2, "2", None)]
    assert here.query("select row_number, line_number, reason from raw.rejected_records") == [
        (3, 4, "not_an_object"),
        (4, 5, "invalid_json"),
    ]


HITS = [{"n": number, "pad": "x" * 100} for number in range(40_000)]


@pytest.mark.parametrize("indent", [0, 2])
def test_a_document_may_be_longer_than_what_tells_its_layout(
    shop: Callable[..., Shop], indent: int
) -> None:
    here = shop(MAPPED, records="hits", mapping={"id": "n"})
    here.put("a.json", json.dumps({"page": {"site": "\u00fc"}, "hits": HITS}, indent=indent))
    here.put("b.json", json.dumps({"hits": HITS}, indent=indent) + '\n{"hits": [{"n": -1}]}')
    assert [file.reason for file in here.load().files] == [None, None]
    assert here.query("select count(*), min(id::int), max(id::int) from raw.mapped_events") == [
        (80_001, -1, 39_999)
    ]


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param('{"id": 1, "text": "x', id="in a string"),
        pytest.param('{"id": 1, "text": "\\ud8', id="in an escape"),
        pytest.param('{"id": 1, "text":', id="after a name"),
        pytest.param('{"id": 1, "text": [', id="in an array"),
        pytest.param('{"id": 1,', id="after a comma"),
        pytest.param("{", id="at once"),
    ],
)
@pytest.mark.parametrize("count", [1, 50_000])
def test_a_broken_first_line_costs_itself_alone(
    shop: Callable[..., Shop], broken: str, count: int
) -> None:
    here = shop()
    here.put("a.jsonl", broken + "\n" + ('{"id": "2", "text": "' + "x" * 100 + '"}\n') * count)
    assert here.load().loaded == count
    assert here.rejected()[0] == (1, "invalid_json")


def test_a_first_line_longer_than_what_tells_the_layout_is_a_record(
    shop: Callable[..., Shop],
) -> None:
    here = shop()
    here.put("a.jsonl", [{"id": "1", "text": "x" * (5 << 20)}, {"id": "2"}])
    here.load()
    assert here.rows("id") == [("1",), ("2",)]


@pytest.mark.parametrize("break_off", [True, False])
def test_a_long_document_that_is_broken_is_refused(
    shop: Callable[..., Shop], break_off: bool
) -> None:
    here = shop(MAPPED, records="hits", mapping={"id": "n"})
    text = json.dumps({"hits": HITS}, indent=2)
    here.put("a.json", text[:-1] if break_off else text.replace('"n": 39999,', '"n": 39999'))
    (file,) = here.load().files
    assert file.reason == "invalid_json"
    assert file.detail.startswith("the JSON document is broken at line 1: Expecting ',' delimiter")


def test_a_document_without_end_is_not_read_to_the_end_of_the_file(
    shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_documents, "_MAX_DOCUMENT", 1 << 20)
    here = shop(MAPPED, records="hits", mapping={"id": "n"})
    here.put("a.json", json.dumps({"hits": HITS}, indent=2))
    (file,) = here.load().files
    assert file.detail == (
        "the JSON document is broken at line 1: no end within 1,048,576 characters"
    )


@pytest.mark.parametrize(
    "text", ['[{"id": 1}', '[{"id": 1},', '[{"id": 1} {"id": 2}]', '[{"id": 1}] x', "[", "[1,]"]
)
def test_a_broken_array_is_refused(shop: Callable[..., Shop], text: str) -> None:
    here = shop()
    here.put("a.json", text)
    here.load()
    assert here.statuses() == [("inbox/a.json", "refused", "invalid_json")]


def test_records_inside_a_line_are_numbered_through_the_file(shop: Callable[..., Shop]) -> None:
    here = shop(
        MAPPED, records="visit.hits", mapping={"id": "n", "visitor": "^.who", "city": "=Berlin"}
    )
    lines = [
        b'{"who": "a", "visit": {"hits": [{"n": 1}, {"n": 2, "x": 1}, 7]}}',
        b'{"who": "b", "visit": {"hits": []}}',
        b"broken",
        b'{"who": "c\xff", "visit": {"hits": [{"n": 3}]}}',
        b'{"who": "d"}',
        b'{"who": "e", "extra": true, "visit": {"hits": [{"n": 4}], "kind": "web"}}',
    ]
    here.put("a.jsonl", b"\n".join(lines) + b"\n")
    summary = here.load()
    assert summary.read == 8
    assert here.rows("_row_number, id, visitor, city, _other_fields") == [
        (1, "1", "a", "Berlin", None),
        (2, "2", "a", "Berlin", '{"x":1}'),
        (8, "4", "e", "Berlin", '{"^":{"extra":true,"visit":{"kind":"web"}}}'),
    ]
    # an empty array holds no record, but must not vanish
    assert here.rejected() == [
        (3, "not_an_object"),
        (4, "missing_records"),
        (5, "invalid_json"),
        (6, "invalid_utf8"),
        (7, "missing_records"),
    ]


NESTED = {
    "records": "days[].visits[].hits[]",
    "mapping": {"id": "n", "visitor": "^.who", "city": "^^.place.city", "n": "^^^.batch"},
}


def test_records_are_found_through_several_arrays(shop: Callable[..., Shop]) -> None:
    here = shop(MAPPED, **NESTED)
    here.put(
        "a.jsonl",
        '{"batch": 7, "v": 2, "days": ['
        '{"place": {"city": "Rome"}, "visits": ['
        '{"who": "a", "hits": [{"n": 1}, {"n": 2, "x": null, "y": [1]}]}, {"who": "b"}, 5]}, '
        '{"place": {"city": "Oslo", "zip": 1}, "w": 3, "visits": ['
        '{"who": "c", "hits": {"n": 3}, "z": "z"}]}, {"visits": []}]}\n'
        '{"batch": 8, "days": [{"visits": [{"hits": [{"n": 4}]}]}]}\n',
    )
    assert here.load().read == 7
    assert here.rows("_row_number, id, visitor, city, n, _other_fields") == [
        (1, "1", "a", "Rome", "7", '{"^^":{"place":{"city":"Rome"}},"^^^":{"v":2}}'),
        (2, "2", "a", "Rome", "7", '{"y":[1],"^^":{"place":{"city":"Rome"}},"^^^":{"v":2}}'),
        # where an array may stand, an object is one record
        (
            5,
            "3",
            "c",
            "Oslo",
            "7",
            '{"^":{"z":"z"},"^^":{"place":{"city":"Oslo","zip":1},"w":3},"^^^":{"v":2}}',
        ),
        (7, "4", None, None, "8", None),
    ]
    assert here.query("select row_number, reason, record_text from raw.rejected_records") == [
        (3, "missing_records", '{"who":"b"}'),
        (4, "missing_records", "5"),
        (6, "missing_records", '{"visits":[]}'),
    ]


@pytest.mark.parametrize(
    "text",
    [
        '[{"days": [{"visits": [{"hits": [{"n": 1}, {"n": 2}]}]}]},\n{"days": 1}]',
        json.dumps({"days": [{"visits": [{"hits": [{"n": 1}, {"n": 2}]}]}]}, indent=2)
        + '\n{\n  "days": 1\n}\n',
    ],
    ids=["array", "pretty_printed"],
)
def test_nested_records_may_stand_in_any_layout(shop: Callable[..., Shop], text: str) -> None:
    here = shop(MAPPED, **NESTED)
    here.put("a.json", text)
    assert here.load().read == 3
    assert here.rows("_row_number, id") == [(1, "1"), (2, "2")]
    assert here.rejected() == [(3, "missing_records")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"hits": [{"n": 1}], "x": NaN}', "invalid_json"),
        ('{"hits": [{"n": 1},]}', "invalid_json"),
        ('{"hits": [{"n": 1}], "hits": [{"n": 2}]}', "duplicate_key"),
        ('{"hits": [{"n": 1}, {"n": ', "truncated_record"),
        ('{"hits": [{"n": "\\ud800"}]}', "invalid_json"),
    ],
)
def test_a_broken_line_is_one_rejected_record_whatever_it_holds(
    shop: Callable[..., Shop], line: str, reason: str
) -> None:
    here = shop(MAPPED, records="hits", mapping={"id": "n"})
    here.put("a.jsonl", '{"hits": [{"n": "x,]"}, {"n": "nan}"}]}\n' + line)
    assert here.load().read == 3
    assert here.rows("id") == [("x,]",), ("nan}",)]
    assert here.rejected() == [(3, reason)]


def test_a_twin_may_say_where_its_records_stand(shop: Callable[..., Shop]) -> None:
    columns = (Column("n", "varchar"), Column("who", "varchar"), Column("tags", "json"))
    mapping = {"who": "^.who", "tags": "^.tags"}
    fmt = Format("visits", "json", {"records": "hits", "mapping": mapping})
    here = shop(replace(TYPED, columns=columns, formats=(fmt,)))
    here.put("a.json", '[{"who": 1, "tags": {"a": [1]}, "x": 0, "hits": [{"n": {"b": 2}}]}]')
    here.put("b.json", '[{"tags": null, "hits": [{"n": null, "who": "own"}]}]')
    here.load()
    assert here.rows("n, who, tags::varchar, _other_fields") == [
        ('{"b":2}', "1", '{"a":[1]}', '{"^":{"x":0}}'),
        (None, None, None, '{"who":"own"}'),
    ]


def test_lines_of_others_are_passed_over_and_told(shop: Callable[..., Shop]) -> None:
    fmt = Format("messages", "json", {"records": "record", "only": {"type": ["RECORD", "BATCH"]}})
    here = shop(
        replace(MAPPED, formats=(*MAPPED.formats, fmt)),
        format="messages",
        only={"stream": "hits"},
        mapping={"id": "id", "n": "^.time"},
    )
    lines = [
        '{"type": "SCHEMA", "stream": "hits", "schema": {"x": NaN}}',
        '{"type": "RECORD", "stream": "hits", "time": 5, "version": 1, "record": {"id": 1}}',
        '{"type": "RECORD", "stream": "users", "record": {"id": 2}}',
        "broken",
        '{"type": "STATE", "value": {}}',
        '{"type": "BATCH", "stream": "hits", "manifest": ["file:///hits.jsonl"]}',
        '{"stream": "hits", "record": {"id": 3}}',
        '{"type": "STATE", "value": {}}',
    ]
    here.put("a.jsonl", "\n".join(lines) + "\n")
    assert here.load().read == 4
    assert here.rows("_row_number, id, n, _other_fields::json ->> '$.^.version'") == [
        (1, "1", "5", "1"),
        (4, "3", None, None),
    ]
    assert here.rejected() == [(2, "invalid_json"), (3, "missing_records")]
    assert here.query("select detail from raw.load_files") == [
        ("4 lines passed over: 2 with type = STATE, 1 with stream = users, 1 with type = SCHEMA",)
    ]


def test_a_line_may_be_chosen_where_it_is_the_record(shop: Callable[..., Shop]) -> None:
    here = shop(MAPPED, only={"kind": ["hit", "view"]}, mapping={"id": "n"})
    here.put("a.jsonl", '{"kind": "hit", "n": 1}\n{"kind": "ping", "n": 2}\n{"n": 3}\n')
    here.put("b.csv", "kind,n\nhit,4\n")
    here.load()
    assert here.rows("_row_number, id") == [(1, "1"), (2, "3")]
    # a table has no lines to choose from: it is read as JSON, and none
    assert here.rejected() == [(1, "invalid_json"), (2, "invalid_json")]


def test_a_cut_last_line_is_told_apart_from_a_broken_one(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.put("a.jsonl", '{"id": "1"}\n{"id": "2"')
    here.put("b.jsonl", '{"id": "3"}\n{"id": "4"\n')
    here.load()
    reasons = here.query("select reason from raw.rejected_records order by reason")
    assert reasons == [("invalid_json",), ("truncated_record",)]


def test_elements_are_numbered_through_all_work_files(
    shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = shop(MAPPED, records="hits", mapping={"id": "n"})
    monkeypatch.setattr(json_text, "NESTED_PART_BYTES", 1)
    lines = [
        json.dumps({"pad": "x" * 900, "hits": [{"n": 2 * n + 1}, {"n": 2 * n + 2}]})
        for n in range(12_000)
    ]
    lines[11_000] = "broken"
    here.put("a.jsonl", "\n".join(lines))
    assert here.load().read == 23_999
    assert here.query(
        "select count(*) from raw.mapped_events "
        "where _row_number <> id::int - (id::int > 22000)::int"
    ) == [(0,)]
    assert here.rejected() == [(22_001, "invalid_json")]


def test_what_is_kept_of_a_long_record_is_valid_text(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.put("a.jsonl", '{"id": "' + "aü" * 50_000 + "\n")
    here.load()
    ((length,),) = here.query("select strlen(record_text) from raw.rejected_records")
    assert 65_000 < length <= 65_536


# ---------------------------------------------------------------- CSV


def test_csv_is_taken_by_its_header(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.put("a.csv", 'new,n,id\n"say ""hi""",5,"00\n7"\n,,x\n')
    here.load()
    assert here.rows("_row_number, id, n, _other_fields") == [
        (1, "00\n7", 5, '{"new":"say \\"hi\\""}'),
        (2, "x", None, None),
    ]


@pytest.mark.parametrize("is_quoted_first", [True, False])
def test_csv_records_are_numbered_through_blocks_of_every_kind(
    shop: Callable[..., Shop], is_quoted_first: bool
) -> None:
    here = shop()
    pad = "x" * 100
    lines = [f"{n},{n},{pad}" for n in range(1, 130_001)]
    extra = 0
    if is_quoted_first:
        lines[10], extra = f'"11",11,"two\nlines {pad}"', 1
    lines[60_000] = "narrow"
    lines[60_001] = f"60002,60002,a\rb\x01c{pad}"
    lines[120_000] = f'"120001",120001,"two\nlines {pad}"'
    here.put("a.csv", "id,n,text\n" + "\n".join(lines) + "\n")
    summary = here.load()
    assert (summary.read, summary.rejected) == (130_000, 1)
    assert here.query(
        "select count(*) from raw.typed_events where _row_number <> n or id::int <> n"
    ) == [(0,)]
    assert here.query("select row_number, line_number, reason from raw.rejected_records") == [
        (60_001, 60_002 + extra, "wrong_column_count")
    ]


def test_a_quoted_value_may_be_as_long_as_several_blocks(shop: Callable[..., Shop]) -> None:
    here = shop()
    long = "\n".join(["y" * 1000] * 10_000)
    here.put("a.csv", f'id,n\n1,1\n"{long}",2\n3,3\n')
    here.load()
    assert here.rows("_row_number, length(id)") == [(1, 1), (2, len(long)), (3, 1)]


def test_a_quote_that_never_ends_refuses_the_file(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.put("a.csv", 'id,n\n1,1\n"2,2\n3,3\n')
    here.put("b.csv", 'id,n\n"' + ("x" * 1000 + "\n") * 20_000 + '",1\n')
    here.load()
    assert [reason for _, _, reason in here.statuses()] == ["unterminated_quote"] * 2


TOO_LONG = 17 << 20


@pytest.mark.parametrize(
    "record",
    [
        pytest.param('2,"b",' + "x" * TOO_LONG, id="unquoted"),
        pytest.param(f'2,b,"{"x" * TOO_LONG}"', id="quoted"),
        pytest.param(f'2,b,"{"x" * (16 << 20)}"', id="hardly too long"),
    ],
)
@pytest.mark.parametrize("rest", ["3,c,z\n", '3,"c",z\n', ""])
def test_a_csv_record_that_is_too_large_is_rejected_alone(
    shop: Callable[..., Shop], record: str, rest: str
) -> None:
    here = shop()
    here.put("a.csv", f"n,id,text\n1,a,x\n{record}\n{rest}")
    here.load()
    assert here.query("select row_number, line_number, reason from raw.rejected_records") == [
        (2, 3, "record_too_large")
    ]
    assert here.rows("_row_number, id") == [(1, "a"), (3, "c")][: 1 + bool(rest)]


def test_a_csv_record_as_large_as_may_be_is_loaded(shop: Callable[..., Shop]) -> None:
    here = shop()
    most = (16 << 20) - len('2,b,""')
    here.put("a.csv", f'n,id,text\n1,a,x\n2,b,"{"x" * most}"\n3,"c",z\n')
    here.load()
    assert here.rows("_row_number, length(_other_fields ->> 'text')") == [(1, 1), (2, most), (3, 1)]


@pytest.mark.parametrize("end", ["", '"'])
def test_a_quote_that_does_not_end_before_a_line_too_long_refuses_the_file(
    shop: Callable[..., Shop], end: str
) -> None:
    here = shop()
    here.put("a.csv", f'n,id,text\n1,a,"x\n{"x" * TOO_LONG}{end}\n3,c,z\n')
    (file,) = here.load().files
    assert (file.reason, file.detail) == (
        "unterminated_quote",
        "a quoted value begins at line 2 and does not end within 16,777,216 bytes",
    )


def test_a_csv_line_of_another_width_is_rejected_with_its_text(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.put("a.csv", 'id,n\n1,1\n2\n3,3,3\n"4",4,4\n"5",five\n6,6\n')
    here.load()
    assert here.rows("_row_number, id") == [(1, "1"), (6, "6")]
    assert here.query(
        "select row_number, line_number, reason, record_text from raw.rejected_records order by 1"
    ) == [
        (2, 3, "wrong_column_count", "2"),
        (3, 4, "wrong_column_count", "3,3,3"),
        (4, 5, "wrong_column_count", '"4",4,4'),
        (5, 6, "wrong_type", "5,five"),
    ]


def test_a_stray_quote_costs_one_line(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.put("a.csv", 'id,n\n1,1\n"2,2\n3,3\n4"x,4\n5,5\n')
    here.load()
    assert here.rows("_row_number, id") == [(1, "1"), (3, "3"), (4, '4"x'), (5, "5")]
    assert here.query("select row_number, reason, record_text from raw.rejected_records") == [
        (2, "malformed_quote", '"2,2')
    ]


def test_odd_bytes_in_a_csv_value_are_kept(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.put("a.csv", b'id,n\n"a\rb",1\n"c\x01",2\nd\x01,3\n"e\x00",4\nf\xff,5\n')
    here.load()
    assert here.rows("id, n") == [("a\rb", 1), ("c\x01", 2), ("d\x01", 3)]
    assert here.rejected() == [(4, "control_character"), (5, "invalid_utf8")]


# ---------------------------------------------------------------- Parquet


def parquet(shop: Shop, sql: str) -> None:
    path = shop.inbox / "a.parquet"
    duckdb.connect().execute(f"copy ({sql}) to '{path}' (format parquet)")


def test_parquet_columns_are_taken_by_name_and_cast(shop: Callable[..., Shop]) -> None:
    here = shop()
    parquet(
        here,
        "select 5::int as n, 9007199254740993 as id, "
        "{'zip': 7, 'lat': 1.5, 'city': 'B'} as place, [{'key': 'k', 'odd': 1}] as params, "
        "map {'a': 1} as tags, null as nothing",
    )
    here.load()
    assert here.rows("_row_number, id, n, place, params") == [
        (
            1,
            "9007199254740993",
            5,
            {"city": "B", "zip": 7},
            [{"key": "k", "value": None}],
        )
    ]
    ((rest,),) = here.rows("_other_fields")
    assert json.loads(rest) == {"place": {"lat": 1.5}, "params": [{"odd": 1}], "tags": {"a": 1}}


def test_a_parquet_value_that_does_not_fit_is_rejected(shop: Callable[..., Shop]) -> None:
    here = shop()
    parquet(here, "select id, n from (values ('a', '1'), ('b', 'x'), ('c', null)) as t(id, n)")
    here.load()
    assert here.rows("_row_number, id, n") == [(1, "a", 1), (3, "c", None)]
    assert here.query("select row_number, reason, record_text from raw.rejected_records") == [
        (2, "wrong_type", '{"id":"b","n":"x"}')
    ]


@pytest.mark.parametrize(
    ("number", "kept"),
    [
        ("1.5", None),
        ('"1.5"', None),
        ("-2.5", None),
        ('"x 1.5"', None),
        ("1e3", 1000),
        ('"1e3"', 1000),
        ("2.0", 2),
    ],
)
def test_a_json_fraction_is_not_rounded_away(
    shop: Callable[..., Shop], number: str, kept: int | None
) -> None:
    here = shop()
    here.put("a.jsonl", f'{{"id": "a", "n": {number}}}\n{{"id": "b", "n": 3}}\n')
    here.load()
    assert here.rows("id, n") == ([] if kept is None else [("a", kept)]) + [("b", 3)]


def test_a_parquet_fraction_is_not_rounded_away(shop: Callable[..., Shop]) -> None:
    here = shop()
    parquet(here, "select 'a' as id, 1.5::double as n union all select 'b', 2.0")
    here.load()
    assert here.rows("id, n") == [("b", 2)]


def test_parquet_is_mapped_into_its_structs_and_json(shop: Callable[..., Shop]) -> None:
    here = shop(MAPPED, mapping={"id": "id", "city": "place.city", "visitor": "props.user.id"})
    parquet(here, """select 1 as id, {'city': 'B'} as place, '{"user": {"id": "u"}}' as props""")
    here.load()
    assert here.rows("id, city, visitor") == [("1", "B", "u")]


def test_a_parquet_file_without_a_wanted_column_is_refused(shop: Callable[..., Shop]) -> None:
    here = shop()
    parquet(here, "select 1 as other")
    here.load()
    assert here.statuses() == [("inbox/a.parquet", "refused", "missing_required_column")]


# ---------------------------------------------------------------- files and tables


def test_file_names_are_only_data(shop: Callable[..., Shop]) -> None:
    here = shop()
    names = ["ev[1].jsonl", "ev1.jsonl", "a*.jsonl", "q?'\".jsonl", "-rf.jsonl", "new\nline.jsonl"]
    for number, name in enumerate(names):
        here.put(name, [{"id": str(number)}])
    here.put("x", b"")
    os.rename(os.fsencode(here.inbox / "x"), os.fsencode(here.inbox) + b"/\xff.jsonl")
    here.load()
    assert len(here.rows()) == len(names)
    assert "inbox/\\xff.jsonl" in [path for path, _, _ in here.statuses()]


def test_a_data_folder_may_have_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "it's [1]*"
    folder.mkdir()
    # Taken as a pattern, the first name would match the second.
    decoy = tmp_path / "it's 1" / "landing"
    decoy.mkdir(parents=True)
    for name in ("part0.work", "sound.work", "rejections.work"):
        (decoy / name).write_text('{"#row":5,"#line":5,"id": "decoy"}\n')
    here = Shop(folder, TYPED)
    here.put("a.jsonl", '{"id": "1"}\nbroken\n')
    parquet_path = str(here.inbox / "b.parquet")
    duckdb.connect().execute(
        f"copy (select 2 as id) to '{parquet_path.replace(chr(39), chr(39) * 2)}'"
    )
    here.load()
    assert here.rows("id", order="id") == [("1",), ("2",)]


def test_what_is_no_data_is_not_touched(shop: Callable[..., Shop]) -> None:
    here = shop()
    for name in (".hidden", "_SUCCESS", "a.tmp", "a.part", "a.jsonl~", "#a#", "a.crdownload"):
        here.put(name, [{"id": "1"}])
    (here.inbox / ".git").mkdir()
    here.put(".git/a.jsonl", [{"id": "1"}])
    assert here.load().files == ()


def test_links_and_pipes_are_refused(shop: Callable[..., Shop], tmp_path: Path) -> None:
    here = shop()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.jsonl").write_text('{"id": "1"}\n')
    (here.inbox / "folder").symlink_to(tmp_path / "elsewhere")
    (here.inbox / "link.jsonl").symlink_to(tmp_path / "elsewhere" / "a.jsonl")
    os.mkfifo(here.inbox / "pipe.jsonl")
    here.load()
    assert [reason for _, _, reason in here.statuses()] == ["not_regular_file"] * 3


def test_a_glob_chooses_files(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.put("a.jsonl", [{"id": "a"}])
    here.put("b.txt", [{"id": "b"}])
    here.source = replace(here.source, path="inbox/*.jsonl")
    here.load()
    assert here.rows("id") == [("a",)]


def test_a_glob_is_only_what_is_configured(tmp_path: Path) -> None:
    (tmp_path / "work [2026]").mkdir()
    here = Shop(tmp_path / "work [2026]", TYPED)
    here.put("a.jsonl", [{"id": "a"}])
    here.source = replace(here.source, path="inbox/*.jsonl")
    assert [file.path for file in here.load().files] == ["inbox/a.jsonl"]


@pytest.mark.parametrize(
    "path", ["inbox", "inbox/locked", "inbox/*/*.jsonl", "inbox/**/*.jsonl", "inbox/*", "inbox/l*/"]
)
def test_a_folder_that_cannot_be_listed_is_told_and_the_rest_is_loaded(
    shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    here = shop()
    for folder in ("locked", "open"):
        (here.inbox / folder).mkdir()
        here.put(f"{folder}/a.jsonl", [{"id": folder}])
    here.source = replace(here.source, path=path)
    with monkeypatch.context() as patch:
        lock_folders(patch, "locked")
        summary = here.load()
    assert summary.problem == (
        "inbox/locked cannot be read: Permission denied; let the account that loads read it and "
        "enter it, and load again"
    )
    rest = [] if "/l" in path else [("inbox/open/a.jsonl", "loaded", None)]
    assert here.statuses() == rest
    assert here.load().problem is None
    assert {path for path, _, _ in here.statuses()} >= {"inbox/locked/a.jsonl"}


@pytest.mark.parametrize("path", ["inbox", "inbox/*/a.jsonl", "inbox/**/*.jsonl"])
def test_the_folder_that_a_disk_keeps_for_its_repair_need_not_be_listed(
    shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    here = shop()
    (here.inbox / "lost+found").mkdir()
    here.source = replace(here.source, path=path)
    lock_folders(monkeypatch, "lost+found")
    assert here.load().problem is None


def test_of_many_folders_that_cannot_be_listed_the_first_is_named(
    shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = shop()
    for number in range(3):
        (here.inbox / f"locked{number}").mkdir()
    lock_folders(monkeypatch, "locked", OSError(errno.ESTALE, os.strerror(errno.ESTALE)))
    problem = here.load().problem
    assert problem is not None
    assert problem.startswith("inbox/locked0 cannot be read: Stale file handle; and 2 more; check")


@pytest.mark.parametrize("path", ["inbox", "inbox/a.jsonl", "inbox/*.jsonl", "in*/a.jsonl"])
def test_a_file_that_cannot_be_looked_at_is_told(
    shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    here = shop()
    here.put("a.jsonl", [{"id": "1"}])
    here.source = replace(here.source, path=path)
    lstat = os.lstat

    def denied(path: Any, **more: Any) -> os.stat_result:
        if str(path).endswith("a.jsonl"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return lstat(path, **more)

    monkeypatch.setattr(os, "lstat", denied)
    summary = here.load()
    assert summary.problem is not None
    assert summary.problem.startswith("inbox/a.jsonl cannot be read: Permission denied; ")


def test_a_column_that_the_twin_gained_is_added(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.put("a.jsonl", [{"id": "1", "new": "x"}])
    here.load()
    here.table = replace(TYPED, columns=(*TYPED.columns, Column("new", "varchar")))
    create_raw_tables(here.connection, {"typed": here.table}, [here.source])
    here.put("b.jsonl", [{"id": "2", "new": "x"}])
    here.load()
    assert here.rows("id, new", order="id") == [("1", None), ("2", "x")]


def test_a_column_of_another_type_is_told(shop: Callable[..., Shop]) -> None:
    here = shop()
    changed = replace(TYPED, columns=(Column("id", "bigint"), *TYPED.columns[1:]))
    with pytest.raises(LoadingStopped, match=re.escape("raw.typed_events.id has the type VARCHAR")):
        create_raw_tables(here.connection, {"typed": changed}, [here.source])


class CommitFails:
    """A connection whose commit finds no space, which undoes the transaction, as DuckDB does."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection

    def execute(self, statement: str, *arguments: Any) -> duckdb.DuckDBPyConnection:
        if statement == "commit":
            self.connection.execute("rollback")
            raise duckdb.IOException("Could not write file: No space left on device")
        return self.connection.execute(statement, *arguments)


def test_tables_that_cannot_be_created_say_why(shop: Callable[..., Shop]) -> None:
    here = shop()
    with pytest.raises(LoadingStopped, match="No space left"):
        create_raw_tables(CommitFails(here.connection), {"typed": TYPED}, [here.source])


def test_the_configured_sources_are_registered(shop: Callable[..., Shop]) -> None:
    here = shop(own_hosts=("a.example", "b.example"), freshness_hours=24)
    assert here.query("from raw.sources") == [
        (
            "shop",
            "typed",
            "typed_events",
            "inbox",
            "UTC",
            "default",
            "tracker",
            "append",
            "a.example,b.example",
            date(2000, 1, 1),
            24,
            True,
        )
    ]


def test_a_source_taken_out_keeps_the_settings_its_data_were_read_by(
    shop: Callable[..., Shop],
) -> None:
    here = shop(earliest_date=date(1995, 1, 1), user_namespace="own")
    create_raw_tables(here.connection, {TYPED.kind: TYPED}, [])
    kept = "select source_name, earliest_date, user_namespace, is_configured from raw.sources"
    assert here.query(kept) == [("shop", date(1995, 1, 1), "own", False)]
    create_raw_tables(here.connection, {TYPED.kind: TYPED}, [here.source])
    assert here.query(kept) == [("shop", date(1995, 1, 1), "own", True)]


def test_progress_is_told_as_it_is_made(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.put("a.jsonl", [{"id": "1"}, {"id": "2"}])
    here.put("b.jsonl", [{"id": "3"}])
    told = []
    load_source(
        here.connection, here.source, TYPED, here.folder / "landing", on_progress=told.append
    )
    assert told[-1].file_number == told[-1].file_count == 2
    assert [each.records_read for each in told] == sorted(each.records_read for each in told)
    assert told[-1].records_read == 3


def test_nothing_is_fetched_from_anywhere(shop: Callable[..., Shop]) -> None:
    settings = dict(shop().query("select name, value from duckdb_settings()"))
    assert settings["autoinstall_known_extensions"] == "false"
    assert settings["autoload_known_extensions"] == "false"
    assert settings["TimeZone"] == "UTC"


# ---------------------------------------------------------------- tables and paths


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.jsonl", '{"version": 2, "id": "p"}\n'),
        ("p.jsonl", '{"id": "broken\n\n{"version": 2, "id": "p", "n": 1e999}\n'),
        ("p.json", '[\n  {\n    "version": 2,\n    "id": "p"\n  }\n]\n'),
        ("p.csv", '"version";id\n2;p\n'),
        ("p.parquet", "select 2 as version, 'p' as id"),
    ],
)
def test_a_file_goes_to_the_table_whose_fields_it_has(
    shop: Callable[..., Shop], name: str, content: str
) -> None:
    here = shop(TWO_TABLES)
    here.put("e.jsonl", [{"id": "e", "n": 1}])
    if name.endswith(".parquet"):
        here.connection.execute(f"copy ({content}) to '{here.inbox / name}'")
    else:
        here.put(name, content)
    here.load()
    assert here.rows("id") == [("e",)]
    assert here.query("select id, version from raw.typed_profiles") == [("p", 2)]
    assert here.query("select path, raw_table from raw.load_files order by 1") == [
        ("inbox/e.jsonl", "typed_events"),
        (f"inbox/{name}", "typed_profiles"),
    ]


def test_a_restated_file_replaces_its_rows_in_whichever_table_they_are(
    shop: Callable[..., Shop],
) -> None:
    here = shop(TWO_TABLES, on_redelivery="replace")
    here.put("a.jsonl", [{"id": "p", "version": 1}])
    here.load()
    here.put("a.jsonl", [{"id": "e"}])
    here.load()
    assert here.query("from raw.typed_profiles") == []
    assert here.rows("id") == [("e",)]
    assert here.query(
        "select superseded_by_file_id is null from raw.load_files order by load_id"
    ) == [
        (False,),
        (True,),
    ]


def test_a_damaged_file_is_refused_by_the_kinds_own_table(shop: Callable[..., Shop]) -> None:
    here = shop(TWO_TABLES)
    here.put("a.parquet", b"PAR1 and no more")
    here.put("b.jsonl.gz", gzip.compress(b'{"id": "1", "version": 1}\n')[:-4])
    here.load()
    assert here.query("select reason, raw_table from raw.load_files order by path") == [
        ("parquet_invalid", "typed_events"),
        ("gzip_truncated", "typed_events"),
    ]


def test_a_files_path_fills_columns_of_every_record(shop: Callable[..., Shop]) -> None:
    here = shop(BY_PATH)
    here.put("pages.jsonl", '{"id": "1", "_table": "mine"}\n{"id": "2"}\nbroken\n')
    here.put("users.csv", "id\n3\n")
    here.connection.execute(f"copy (select '4' as id) to '{here.inbox / 'tracks.parquet'}'")
    here.put("5", [{"id": "5"}])
    here.load()
    assert here.rows("id, _table, _other_fields", order="id") == [
        ("1", "pages", '{"_table":"mine"}'),
        ("2", "pages", None),
        ("3", "users", None),
        ("4", "tracks", None),
        ("5", None, None),
    ]
    assert here.rejected() == [(3, "invalid_json")]


def test_equal_contents_are_two_files_where_their_paths_say_different_things(
    shop: Callable[..., Shop],
) -> None:
    here = shop(BY_PATH)
    for name in ("pages.jsonl", "pages.copy.jsonl", "screens.jsonl"):
        here.put(name, [{"id": "1"}])
    here.load()
    assert here.statuses() == [
        ("inbox/pages.copy.jsonl", "loaded", None),
        ("inbox/pages.jsonl", "repeated", None),
        ("inbox/screens.jsonl", "loaded", None),
    ]
