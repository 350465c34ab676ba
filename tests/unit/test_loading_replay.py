"""Rejected records are put through again after a fix, under the numbers that they have."""

import gzip
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import fastavro
import pytest

from orchestration.loading import FileReplay, replay_source, text
from orchestration.loading import replay as loading_replay
from orchestration.loading.formats import json_text, json_verdict
from orchestration.loading.landing import StillChanging
from orchestration.loading.stores import StoreUnreachable
from orchestration.sources import Column, Format, RawTable
from tests.references.locked_folders import lock_folders
from tests.unit.test_loading import MAPPED, TYPED, Shop
from tests.unit.test_loading_zip import zip_of

LOG = RawTable(
    kind="log",
    name="log_lines",
    columns=(Column("who", "varchar"), Column("what", "varchar")),
    formats=(
        Format("pairs", "lines", {"pattern": "^(?P<who>[a-z]+) (?P<what>[a-z]+)$"}),
        Format("words", "lines", {"pattern": "^(?P<who>[a-z]+)$"}),
        Format("table", "csv", {"delimiter": ";"}),
    ),
    mapped=False,
    on_redelivery="append",
    session_ids_from="tracker",
)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Callable[..., Shop]]:
    opened: list[Shop] = []

    def open_shop(table: RawTable = TYPED, **options: Any) -> Shop:
        opened.append(Shop(tmp_path, table, **{"max_rejected_share": 1, **options}))
        return opened[-1]

    yield open_shop
    for each in opened:
        each.connection.close()


def replay(here: Shop, *reasons: str) -> tuple[FileReplay, ...]:
    found = replay_source(
        here.connection, here.source, here.table, here.folder / "landing", reasons
    )
    assert_balanced(here)
    assert list((here.folder / "landing").iterdir()) == []
    return found


def assert_balanced(here: Shop) -> None:
    """Fail unless every record read is loaded or rejected, once, under its own number."""
    for file_id, read, loaded, rejected in here.query(
        "select file_id, records_read, records_loaded, records_rejected from raw.load_files "
        "where status = 'loaded' and superseded_by_file_id is null"
    ):
        sound = here.query(
            f"select _row_number from raw.{here.table.name} where _file_id = '{file_id}'"
        )
        broken = here.query(
            f"select row_number from raw.rejected_records where file_id = '{file_id}'"
        )
        assert (len(sound), len(broken)) == (loaded, rejected)
        assert sorted(number for (number,) in sound + broken) == list(range(1, read + 1))
    for table in ("rejected_records", "replayed_records", "file_fields"):
        assert (
            here.query(
                f"select file_id from raw.{table} where file_id not in "
                "(select file_id from raw.load_files where file_id is not null)"
            )
            == []
        )


def mend_types(here: Shop) -> None:
    """Let the number of a record be any text, in warehouse and twin."""
    here.connection.execute(f"alter table raw.{here.table.name} alter n type varchar")
    columns = [replace(c, data_type="varchar") if c.name == "n" else c for c in TYPED.columns]
    here.table = replace(here.table, columns=tuple(columns))


def exported(name: str, folder: Path) -> bytes:
    """Return a file in which the second and the last of four records have no number."""
    records = [
        {"id": "1", "n": 1},
        {"id": 'a "b", c', "n": "two", "place": {"city": "Åbo", "zip": 5}, "x": [1]},
        {"id": "3", "n": 3},
        {"id": "4", "n": "four", "place": None, "x": None},
    ]
    if name == "csv":
        return b'id,n,x,y\r\n1,1,,\r\n"a ""b"", c",two,"[1]\n",\r\n3,3,,\r\n4,four,,'
    if name == "semicolon":
        return b'id;n;x\n1;1;\n"a ""b"", c";two;[1]\n3;3;\n4;four;\n'
    if name == "array":
        return json.dumps(records, indent=2).encode()
    if name == "documents":
        return "\n".join(json.dumps(each, indent=1) for each in records).encode()
    if name == "parquet":
        path = folder / "made.parquet"
        duckdb.execute(
            "copy (select * from (values ('1', '1', 'x'), ('a \"b\", c', 'two', 'y'), "
            f"('3', '3', 'z'), ('4', 'four', null)) as t(id, n, x)) to '{path}' (format parquet)"
        )
        return path.read_bytes()
    if name == "avro":
        fields = [{"name": each, "type": "string"} for each in ("id", "n")]
        file = io.BytesIO()
        values = [{"id": each["id"], "n": str(each["n"])} for each in records]
        schema = {"type": "record", "name": "r", "fields": fields}
        fastavro.writer(file, schema, values, sync_marker=bytes(16))
        return file.getvalue()
    if name == "zip of unlike":
        return zip_of(("a.csv", b"id,n\n1,1\na,two\n"), ("b.csv", b"n;id\n3;3\nfour;4\n"))
    if name == "zip of alike":
        halves = [json.dumps(a) + "\n" + json.dumps(b) for a, b in (records[:2], records[2:])]
        return zip_of(*((f"{n}.jsonl", half.encode()) for n, half in enumerate(halves)))
    lines = "".join(json.dumps(each) + "\n" for each in records).encode()
    return gzip.compress(lines, mtime=0) if name == "gzip" else lines


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize(
    "name",
    [
        *("json", "gzip", "array", "documents", "csv", "semicolon", "parquet"),
        *("avro", "zip of alike", "zip of unlike"),
    ],
)
def test_records_of_every_format_come_back_as_a_whole_load_would_read_them(
    shop: Callable[..., Shop], tmp_path: Path, name: str, is_there: bool
) -> None:
    here = shop(replace(TYPED, formats=(*TYPED.formats, Format("avro", "avro"))))
    path = here.put("file", exported(name, tmp_path))
    here.load()
    assert here.rejected() == [(2, "wrong_type"), (4, "wrong_type")]
    mend_types(here)
    if not is_there:
        path.unlink()
    (outcome,) = replay(here)
    if name in ("parquet", "zip of unlike") and not is_there:
        why = "no record of its format can be read alone, and the file is gone or another one"
        assert (outcome.replayed, outcome.left) == (0, {why: [2, 4]})
        assert here.rejected() == [(2, "wrong_type"), (4, "wrong_type")]
        return
    assert (outcome.tried, outcome.replayed, outcome.left) == (2, 2, {})
    columns = "_file_id, _row_number, id, n, place, _other_fields"
    replayed = here.rows(columns)
    here.put("file", exported(name, tmp_path))
    here.load_again()
    assert replayed == here.rows(columns)
    assert len(replayed) == 4


def test_what_moved_and_when_is_written_down(shop: Callable[..., Shop], tmp_path: Path) -> None:
    here = shop()
    here.put("file", exported("json", tmp_path))
    here.load()
    rejected_at = here.query("select rejected_at from raw.rejected_records")[0]
    mend_types(here)
    replay(here)
    moved = "select row_number, reason, rejected_at from raw.replayed_records order by 1"
    assert here.query(moved) == [(2, "wrong_type", *rejected_at), (4, "wrong_type", *rejected_at)]
    assert here.query(
        "select bool_and(replayed_at = _loaded_at and replayed_at > rejected_at) "
        f"from raw.replayed_records inner join raw.{here.table.name} on row_number = _row_number"
    ) == [(True,)]
    here.load_again()
    assert here.query(moved) == []


def test_a_replay_that_mends_nothing_changes_nothing(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.put("a.jsonl", b'{"id": "1"}\n{"id\n\xff\n7\n{"n": "x"}\n{"id": "1", "id": "2"}\n{"id')
    here.put("b.csv", 'id,n\n1,2\n1,2,3\n"a"b,1\nx,y\n')
    here.load()
    state = "from raw.load_files", "from raw.rejected_records order by all", "from raw.typed_events"
    before = [here.query(each) for each in state]
    assert len(before[1]) == 9
    for _ in range(2):
        outcomes = replay(here)
        assert [(each.tried, each.still_rejected) for each in outcomes] == [(6, 6), (3, 3)]
        assert [here.query(each) for each in state] == before
    assert here.query("from raw.replayed_records") == []


def test_a_second_replay_finds_nothing_left_to_do(
    shop: Callable[..., Shop], tmp_path: Path
) -> None:
    here = shop()
    here.put("file", exported("csv", tmp_path))
    here.load()
    mend_types(here)
    replay(here)
    state = here.query("from raw.load_files"), here.rows(), here.query("from raw.replayed_records")
    assert replay(here) == ()
    assert state == (
        here.query("from raw.load_files"),
        here.rows(),
        here.query("from raw.replayed_records"),
    )


def test_only_the_reasons_that_are_asked_for_are_tried(
    shop: Callable[..., Shop], tmp_path: Path
) -> None:
    here = shop()
    here.put("file", exported("json", tmp_path) + b"broken\n")
    here.load()
    mend_types(here)
    assert replay(here, "invalid_json")[0].tried == 1
    assert replay(here, "too_deep") == ()
    assert replay(here, "too_deep", "wrong_type")[0].replayed == 2
    assert here.rejected() == [(5, "invalid_json")]


def test_a_record_that_is_rejected_for_another_reason_says_so(
    shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = shop()
    here.put("a.jsonl", '{"id": "1", "id": "2"}\nbroken\n')
    with monkeypatch.context() as patch:
        patch.setattr(json_verdict, "verdict_on", lambda *_, **__: ("too_deep", "as it seemed"))
        here.load()
    before = here.query("select rejected_at from raw.rejected_records")[0]
    assert here.rejected() == [(1, "too_deep"), (2, "too_deep")]
    (outcome,) = replay(here)
    assert (outcome.replayed, outcome.still_rejected) == (0, 2)
    assert here.rejected() == [(1, "duplicate_key"), (2, "invalid_json")]
    assert here.query("select detail from raw.rejected_records order by row_number") == [
        ("twice in the record: 'id'",),
        ("Expecting value at character 1",),
    ]
    assert here.query("select min(rejected_at) from raw.rejected_records")[0] > before


@pytest.mark.parametrize("becomes", ["sound", "gone", "another"])
def test_a_record_kept_in_part_is_read_from_the_file(
    shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch, becomes: str
) -> None:
    here = shop()
    long = json.dumps({"id": "2", "x": "y" * 100_000}) + "\n"
    path = here.put("a.jsonl", f'{{"id": "1"}}\n{long}{{"n": "x"}}\n')
    with monkeypatch.context() as patch:
        patch.setattr(text, "MAX_RECORD_BYTES", 90_000)
        here.load()
    assert here.rejected() == [(2, "record_too_large"), (3, "wrong_type")]
    if becomes == "gone":
        path.unlink()
    elif becomes == "another":
        path.write_text('{"id": "3"}\n')
    (outcome,) = replay(here)
    if becomes == "sound":
        assert (outcome.replayed, outcome.still_rejected, outcome.left) == (1, 1, {})
        assert here.rows("id, _row_number") == [("1", 1), ("2", 2)]
    else:
        why = "not all of the record is kept, and the file is gone or another one"
        assert (outcome.replayed, outcome.still_rejected) == (0, 1)
        assert outcome.left == {why: [2]}


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (StillChanging("a.parquet"), "the file is being written"),
        (StoreUnreachable("s3://shop: no answer"), "s3://shop: no answer"),
    ],
)
def test_a_file_that_cannot_be_had_now_leaves_its_records(
    shop: Callable[..., Shop],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    told: str,
) -> None:
    here = shop()
    here.put("file", exported("parquet", tmp_path))
    here.load()
    mend_types(here)

    def fail(*_: Any) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(loading_replay, "land", fail)
        (outcome,) = replay(here)
    assert outcome.left == {f"no record of its format can be read alone, and {told}": [2, 4]}
    assert replay(here)[0].replayed == 2


def test_records_are_left_where_the_folder_of_their_file_cannot_be_listed(
    shop: Callable[..., Shop], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = shop()
    here.put("file", exported("parquet", tmp_path))
    here.load()
    mend_types(here)
    lock_folders(monkeypatch, "inbox")
    (outcome,) = replay(here)
    ((why, numbers),) = outcome.left.items()
    assert (numbers, "and inbox cannot be read: Permission denied" in why) == ([2, 4], True)


def test_the_file_is_found_under_another_name(shop: Callable[..., Shop], tmp_path: Path) -> None:
    here = shop()
    path = here.put("file", exported("parquet", tmp_path))
    here.load()
    path.rename(here.inbox / "renamed")
    here.load()
    mend_types(here)
    assert replay(here)[0].replayed == 2


def test_a_pattern_that_was_mended_lets_its_lines_pass(shop: Callable[..., Shop]) -> None:
    here = shop(LOG)
    path = here.put("a.log", b"ann reads\nbob writes well\n\xff\ncid writes  \n")
    here.load()
    path.unlink()
    pattern = {"pattern": "^(?P<who>[a-z]+) (?P<what>.+)$"}
    here.table = replace(LOG, formats=(replace(LOG.formats[0], options=pattern),))
    (outcome,) = replay(here)
    assert (outcome.replayed, outcome.still_rejected) == (2, 1)
    assert here.rows("who, what") == [("ann", "reads"), ("bob", "writes well"), ("cid", "writes  ")]
    assert here.rejected() == [(3, "invalid_utf8")]


def test_a_log_of_which_no_line_matches_waits_for_another_pattern(
    shop: Callable[..., Shop],
) -> None:
    here = shop(LOG, format="pairs")
    here.put("a.log", "ann\nbob\n")
    here.load()
    assert here.rejected() == [(1, "line_not_matched"), (2, "line_not_matched")]
    here.source = replace(here.source, format="words")
    assert replay(here)[0].replayed == 2


def test_another_format_of_the_source_is_tried_if_it_is_read_in_the_same_way(
    shop: Callable[..., Shop],
) -> None:
    here = shop(LOG, format="pairs")
    here.put("a.log", "ann reads\nbob\n")
    here.load()
    here.source = replace(here.source, format="table")
    (outcome,) = replay(here)
    (why,) = outcome.left
    assert why.endswith("to read them anew: clickstream load --again shop")
    here.source = replace(here.source, format="words")
    assert replay(here)[0].replayed == 1
    assert here.rows("who, what") == [("ann", "reads"), ("bob", None)]


def test_a_quote_character_that_means_nothing_is_mended(shop: Callable[..., Shop]) -> None:
    quoting = Format("table", "csv", {"delimiter": ";"})
    here = shop(replace(LOG, formats=(quoting,)))
    here.put("a.csv", 'who;what\nann;reads\nbob;"6" nails"\ncid;"x";y\n')
    here.load()
    assert here.rejected() == [(2, "malformed_quote"), (3, "wrong_column_count")]
    plain = replace(quoting, options={"delimiter": ";", "quote": ""})
    here.table = replace(here.table, formats=(plain,))
    assert replay(here)[0].replayed == 1
    assert here.rows("who, what") == [("ann", "reads"), ("bob", '"6" nails"')]


def test_a_header_that_the_source_no_longer_maps_undoes_the_replay_of_its_file(
    shop: Callable[..., Shop],
) -> None:
    here = shop(MAPPED, mapping={"id": "a"})
    here.put("a.csv", "a,b\n1,2,3\n")
    here.put("b.jsonl", "7\n")
    here.load()
    here.source = replace(here.source, mapping={"id": "c"})
    first, second = replay(here)
    assert first.failure is not None and first.failure.startswith("missing_required_column")
    assert (second.failure, second.still_rejected) == (None, 1)


def test_records_that_stood_in_an_array_are_read_from_the_file(
    shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = shop(MAPPED, mapping={"id": "id", "visitor": "^.who"}, records="all")
    path = here.put(
        "a.jsonl", '{"who": "ann", "all": [{"id": 1}, {"id": 2, "id": 3}, 4]}\n{"who": "bob"}\n'
    )
    here.load()
    assert here.rejected() == [(2, "duplicate_key"), (3, "not_an_object"), (4, "missing_records")]
    with monkeypatch.context() as patch:
        strict = json_verdict.verdict_on

        def lenient(*args: Any, **kwargs: Any) -> Any:
            verdict = strict(*args, **kwargs)
            return None if verdict and verdict[0] == "duplicate_key" else verdict

        patch.setattr(json_verdict, "verdict_on", lenient)
        (outcome,) = replay(here)
    assert (outcome.replayed, outcome.still_rejected) == (1, 2)
    assert here.rows("_row_number, id, visitor") == [(1, "1", "ann"), (2, "2", "ann")]
    path.unlink()
    assert sum(map(len, replay(here)[0].left.values())) == 2


def test_records_that_are_told_apart_otherwise_are_left_to_a_new_reading(
    shop: Callable[..., Shop],
) -> None:
    here = shop(MAPPED, mapping={"id": "id"}, records="al")
    here.put("a.jsonl", '{"all": [{"id": 1}, {"id": 2}]}\n')
    here.load()
    here.source = replace(here.source, records="all")
    (outcome,) = replay(here)
    ((why, rows),) = outcome.left.items()
    assert rows == [1]
    assert "clickstream load --again shop" in why
    here.load_again()
    assert here.rows("id") == [("1",), ("2",)]


def test_another_array_of_as_many_records_is_no_way_to_tell_them_apart(
    shop: Callable[..., Shop],
) -> None:
    here = shop(MAPPED, mapping={"id": "id"}, records="a")
    here.put(
        "a.jsonl", '{"a": [{"id": 1}, 2], "b": [3]}\n{"a": [{"id": 4}], "b": [{"id": 5}, 6]}\n'
    )
    here.load()
    here.source = replace(here.source, records="b")
    assert [each.replayed for each in replay(here)] == [0]
    assert here.rows("id") == [("1",), ("4",)]


def test_lines_that_hold_records_by_a_new_twin_are_left_to_a_new_reading(
    shop: Callable[..., Shop],
) -> None:
    here = shop(MAPPED, mapping={"id": "id"})
    here.put("a.jsonl", '{"id": 0}\n{"all": [{"id": 1}], "all": []}\n')
    here.load()
    nested = replace(MAPPED.formats[0], options={"records": "all"})
    here.table = replace(MAPPED, formats=(nested, *MAPPED.formats[1:]))
    (outcome,) = replay(here)
    ((why, rows),) = outcome.left.items()
    assert rows == [2]
    assert why.startswith("today's options tell its records apart in another way")


def test_a_line_that_would_now_be_more_records_is_left_to_a_new_reading(
    shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = shop(MAPPED, mapping={"id": "id"}, records="all")
    long = json.dumps({"all": [{"id": 1}, {"id": 2}], "x": "y" * 100_000})
    here.put("a.jsonl", long + '\n{"all": [{"id": 3}]}\n')
    with monkeypatch.context() as patch:
        patch.setattr(text, "MAX_RECORD_BYTES", 90_000)
        here.load()
    (outcome,) = replay(here)
    ((why, rows),) = outcome.left.items()
    assert rows == [1]
    assert "3 records are found in the file, 2 then" in why
    assert here.rows("_row_number, id") == [(2, "3")]


def test_a_record_that_would_now_be_two_is_left(
    shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = shop()
    here.put("a.jsonl", '{"id": "1"}{"id": "2"}\n')
    here.load()
    objects = json_text._objects_only
    monkeypatch.setattr(
        json_text, "_objects_only", lambda batches, types: objects(list(batches) * 2, types)
    )
    (outcome,) = replay(here)
    ((why, rows),) = outcome.left.items()
    assert (rows, why.partition(";")[0]) == ([1], "today it would be 2 records")


def test_a_replay_that_fails_is_undone_and_the_next_file_goes_on(
    shop: Callable[..., Shop], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = shop()
    here.put("a", exported("json", tmp_path))
    here.put("b", exported("csv", tmp_path))
    here.load()
    mend_types(here)
    with monkeypatch.context() as patch:
        patch.setattr(json_verdict, "mismatch_in", lambda *_: 1 / 0)
        patch.setattr(json_text.json_rows, "_survey", lambda *_, **__: 1 / 0)
        first, second = replay(here)
    assert first.failure == "internal_error: ZeroDivisionError: division by zero"
    assert (first.replayed, second.replayed) == (0, 2)
    assert replay(here)[0].replayed == 2
