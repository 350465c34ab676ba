"""A file of which too much is rejected is refused; what was read by other options is read anew."""

import os
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import pytest

from orchestration.loading import files_read_otherwise
from orchestration.loading.options import READING_OPTIONS
from orchestration.sources import Column, Source
from tests.unit.test_loading import MAPPED, Shop

MAPPING = {"id": "a", "visitor": "v"}


@pytest.fixture
def shop(tmp_path: Path):
    opened: list[Shop] = []

    def open_shop(**options: object) -> Shop:
        opened.append(Shop(tmp_path, MAPPED, mapping=MAPPING, **options))
        return opened[-1]

    yield open_shop
    for each in opened:
        each.connection.close()


def lines(sound: int, broken: int) -> str:
    return '{"a": "1", "b": "2"}\n' * sound + "broken\n" * broken


# ---------------------------------------------------------------- the limit


@pytest.mark.parametrize(
    ("sound", "broken", "share", "is_refused"),
    [
        (0, 1, 0.05, False),
        (0, 19, 0.0, False),
        (380, 20, 0.05, False),
        (379, 20, 0.05, True),
        (0, 20, 0.05, True),
        (1000, 20, 0.0, True),
        (0, 20, 1, False),
    ],
)
def test_a_file_over_the_limit_is_refused_whole(
    shop: Callable[..., Shop], sound: int, broken: int, share: float, is_refused: bool
) -> None:
    here = shop(max_rejected_share=share)
    here.put("a.jsonl", lines(sound, broken))
    here.put("b.jsonl", lines(1, 0))
    summary = here.load()
    assert len(summary.over_the_limit) == is_refused
    kept = (0, 0) if is_refused else (sound, broken)
    assert (len(here.rows()), len(here.rejected())) == (kept[0] + 1, kept[1])
    assert here.query(
        "select status, records_read from raw.load_files where path = 'inbox/a.jsonl'"
    ) == [("refused", 0) if is_refused else ("loaded", sound + broken)]


def test_the_refusal_says_how_many_and_shows_one(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.put("a.jsonl", lines(50, 29) + "7\n")
    (file,) = here.load().files
    assert file.reason == "too_many_rejections"
    assert file.detail == (
        "30 of 80 records are rejected (37.5%; max_rejected_share allows 5.0%): "
        "29 invalid_json, 1 not_an_object; the first is record 51, invalid_json: "
        "Expecting value at character 1"
    )


def test_a_file_over_the_limit_stays_refused_until_file_or_options_change(
    shop: Callable[..., Shop],
) -> None:
    here = shop()
    path = here.put("a.jsonl", lines(50, 30))
    here.load()
    again = here.load()
    assert [(file.status, file.reason) for file in again.files] == [
        ("unchanged", "too_many_rejections")
    ]
    assert len(again.over_the_limit) == 1
    here.source = replace(here.source, mapping={**MAPPING, "n": "b"})
    assert [file.status for file in here.load().files] == ["refused"]
    assert [file.status for file in here.load().files] == ["unchanged"]
    here.source = replace(here.source, max_rejected_share=0.5)
    assert [file.status for file in here.load().files] == ["loaded"]
    path.write_text(lines(50, 0))
    assert not here.load().over_the_limit
    assert [status for _, status, _ in here.statuses()] == [
        "refused", "refused", "loaded", "loaded"
    ]  # fmt: skip


def test_a_replacement_over_the_limit_leaves_what_stands(shop: Callable[..., Shop]) -> None:
    here = shop(on_redelivery="replace")
    path = here.put("a.jsonl", lines(3, 1))
    here.load()
    path.write_text(lines(30, 30))
    here.load()
    assert (len(here.rows()), here.rejected()) == (3, [(4, "invalid_json")])


# ---------------------------------------------------------------- other options


def test_files_that_were_read_by_other_options_are_named(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.put("a.jsonl", lines(2, 0))
    here.put("copy.jsonl", lines(2, 0))
    here.load()
    assert not here.load().read_otherwise
    here.source = replace(here.source, mapping={**MAPPING, "n": "b"}, timezone="Asia/Tokyo")
    summary = here.load()
    assert [(file.path, file.changed_options) for file in summary.read_otherwise] == [
        ("inbox/a.jsonl", ("timezone", "mapping")),
        ("inbox/copy.jsonl", ("timezone", "mapping")),
    ]
    here.source = replace(here.source, mapping=MAPPING, timezone="UTC")
    assert not here.load().read_otherwise


def test_a_column_more_in_the_twin_is_another_option(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.put("a.jsonl", lines(2, 0))
    here.load()
    table = replace(MAPPED, columns=(*MAPPED.columns, Column("more", "varchar")))
    found = files_read_otherwise(here.connection, here.source, table)
    assert list(found.values()) == [("columns",)]


def test_every_key_of_a_source_reads_or_does_not() -> None:
    at_build = {"user_namespace", "session_ids_from", "own_hosts", "earliest_date"}
    told_apart = {"name", "kind", "format", "max_rejected_share"}
    when = {"path", "project_dir", "on_redelivery", "settle_seconds", "freshness_hours"}
    known = {*READING_OPTIONS, *at_build, *told_apart, *when}
    assert {field.name for field in fields(Source)} == known


def test_reading_again_replaces_the_rows_of_files_that_are_still_there(
    shop: Callable[..., Shop],
) -> None:
    here = shop()
    here.put("a.jsonl", lines(2, 1))
    gone = here.put("gone.jsonl", '{"a": "3", "b": "4"}\n')
    here.load()
    gone.unlink()
    here.source = replace(here.source, mapping={"id": "b"})
    summary = here.load_again()
    assert [file.status for file in summary.files] == ["loaded"]
    assert sorted(id_ for (id_,) in here.rows("id")) == ["2", "2", "3"]
    assert here.rejected() == [(3, "invalid_json")]
    assert here.query(
        "select path, status, records_read, records_loaded, records_rejected "
        "from raw.load_files order by path"
    ) == [("inbox/a.jsonl", "loaded", 3, 2, 1), ("inbox/gone.jsonl", "loaded", 1, 1, 0)]
    assert not here.load().read_otherwise


def test_reading_again_twice_is_reading_again_once(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.put("a.jsonl", lines(2, 1))
    os.link(here.inbox / "a.jsonl", here.inbox / "copy.jsonl")
    here.load()
    deliveries = here.query("select path, status, records_read from raw.load_files order by path")
    rows = here.rows("id, _row_number")
    for _ in range(2):
        summary = here.load_again()
        assert [file.status for file in summary.files] == ["loaded", "repeated"]
        assert here.rows("id, _row_number") == rows
        assert (
            here.query("select path, status, records_read from raw.load_files order by path")
            == deliveries
        )
    assert [file.status for file in here.load().files] == ["unchanged", "unchanged"]


def test_a_file_that_only_a_copy_still_delivers_is_read_again(shop: Callable[..., Shop]) -> None:
    here = shop()
    path = here.put("a.jsonl", lines(2, 0))
    here.load()
    path.rename(here.inbox / "b.jsonl")
    here.load()
    here.source = replace(here.source, mapping={"id": "b"})
    here.load_again()
    assert here.rows("id") == [("2",), ("2",)]
    assert [(path, status) for path, status, _ in here.statuses()] == [
        ("inbox/a.jsonl", "loaded"),
        ("inbox/b.jsonl", "repeated"),
    ]
    assert not here.load().read_otherwise


def test_what_cannot_be_read_again_stays_as_it_was_read(shop: Callable[..., Shop]) -> None:
    here = shop(max_rejected_share=1)
    here.put("a.jsonl", lines(2, 30))
    here.load()
    before = here.rows(), here.rejected(), here.query("from raw.load_files")
    here.source = replace(here.source, max_rejected_share=0.05)
    assert len(here.load_again().over_the_limit) == 1
    assert (here.rows(), here.rejected(), here.query("from raw.load_files")) == before
