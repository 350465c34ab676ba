"""What fields a file has is written down with it: names, types, and in how many records."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.loading import fields
from orchestration.loading.formats import parquet_fields
from orchestration.sources import Column, Format, RawTable
from tests.unit.test_loading import MAPPED, TYPED, Shop

WITH_JSON = replace(TYPED, columns=(*TYPED.columns, Column("extra", "json")))


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Callable[..., Shop]]:
    opened: list[Shop] = []

    def open_shop(table: RawTable = TYPED, **options: Any) -> Shop:
        opened.append(Shop(tmp_path, table, **options))
        return opened[-1]

    yield open_shop
    for each in opened:
        each.connection.close()


def found(here: Shop) -> dict[str, dict[str, int]]:
    rows = here.query("select field, data_type, record_count from raw.file_fields")
    by_field: dict[str, dict[str, int]] = {}
    for name, data_type, count in rows:
        by_field.setdefault(name, {})[data_type] = count
    return by_field


def parquet(folder: Path, select: str) -> bytes:
    path = folder / "made.parquet"
    duckdb.sql(f"copy ({select}) to '{path}' (format parquet)")
    return path.read_bytes()


RECORDS = [
    {
        "id": "1",
        "n": 1,
        "place": {"city": "Bonn", "zip": None},
        "params": [
            {"key": "engaged", "value": {"text": "1"}},
            {"key": "depth", "value": {"number": 3}},
        ],
        "more": {"tags": ["a"], "rows": [{"x": 1}, {"y": 2.5}]},
    },
    {
        "id": "2",
        "n": None,
        "place": {},
        "params": [
            {"key": "engaged", "value": {"text": None, "number": 1}},
            {"key": "empty", "value": {}},
        ],
        "more": {"tags": [], "rows": [{"x": 1}]},
    },
]
FIELDS = {
    "id": {"string": 2},
    "n": {"integer": 1},
    "place": {"object": 1},
    "place.city": {"string": 1},
    "params": {"object[]": 2},
    "params.engaged": {"text": 1, "number": 1},
    "params.depth": {"number": 1},
    "more": {"object": 2},
    "more.tags": {"string[]": 1},
    "more.rows": {"object[]": 2},
    "more.rows.x": {"integer": 2},
    "more.rows.y": {"number": 1},
}


def test_the_fields_of_json_are_told_at_any_depth(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.put("a.jsonl", RECORDS)
    here.load()
    assert found(here) == FIELDS


def test_the_fields_of_mapped_json_are_all_told_not_only_the_mapped(
    shop: Callable[..., Shop],
) -> None:
    here = shop(MAPPED, mapping={"id": "id", "city": "place.city"})
    here.put("a.jsonl", RECORDS)
    here.load()
    assert found(here) == FIELDS


def test_the_fields_of_parquet_are_those_of_the_same_records_in_json(
    shop: Callable[..., Shop],
) -> None:
    here = shop()
    select = """
        with made as (
            select unnest([
                {
                    'id': '1',
                    'n': 1,
                    'place': {'city': 'Bonn', 'zip': null::bigint},
                    'params': [
                        {'key': 'engaged', 'value': {'text': '1', 'number': null::bigint}},
                        {'key': 'depth', 'value': {'text': null, 'number': 3}}
                    ],
                    'more': {
                        'tags': ['a'],
                        'rows': [{'x': 1, 'y': null::double}, {'x': null, 'y': 2.5}]
                    }
                },
                {
                    'id': '2',
                    'n': null,
                    'place': null,
                    'params': [
                        {'key': 'engaged', 'value': {'text': null, 'number': 1}},
                        {'key': 'empty', 'value': null}
                    ],
                    'more': {'tags': [], 'rows': [{'x': 1, 'y': null}]}
                }
            ]) as record
        )
        select record.* from made
    """
    here.put("a.parquet", parquet(here.folder, select))
    here.load()
    assert found(here) == FIELDS


def test_what_lists_nest_in_lists_counts_by_rows(shop: Callable[..., Shop]) -> None:
    here = shop()
    tags = "[{'key': 'k', 'value': n}]"
    items = f"[{{'sku': 'a', 'tags': {tags}}}, {{'sku': null, 'tags': {tags}}}]"
    here.put(
        "a.parquet",
        parquet(
            here.folder,
            f"select 'x' as id, case when n = 2 then {items} when n > 2 then [] end as items "
            "from range(4) t(n)",
        ),
    )
    here.load()
    assert found(here) == {
        "id": {"string": 4},
        "items": {"object[]": 1},
        "items.sku": {"string": 1},
        "items.tags": {"object[]": 1},
        "items.tags.k": {"integer": 2},
    }


def test_the_fields_of_a_table_are_its_filled_columns(shop: Callable[..., Shop]) -> None:
    here = shop(WITH_JSON)
    here.put("a.csv", 'id,n,extra,new\n1,2,"{""a"": {""b"": [1]}}",\n2,,"{""c"": 1.5}",\n')
    here.load()
    assert found(here) == {
        "id": {"string": 2},
        "n": {"string": 1},
        "extra": {"object": 2},
        "extra.a": {"object": 1},
        "extra.a.b": {"integer[]": 1},
        "extra.c": {"number": 1},
    }


def test_text_that_holds_json_is_looked_into(shop: Callable[..., Shop]) -> None:
    here = shop(WITH_JSON)
    select = "select '1' as id, unnest(['{\"a\": 1}', '{\"a\": \"x\"}', null]) as extra"
    here.put("a.parquet", parquet(here.folder, select))
    here.load()
    assert found(here) == {
        "id": {"string": 3},
        "extra": {"object": 2},
        "extra.a": {"integer": 1, "string": 1},
    }


def test_the_fields_of_lines_are_the_named_groups(shop: Callable[..., Shop]) -> None:
    pattern = r"^(?P<id>\S+) (?P<n>\d*)$"
    here = shop(replace(TYPED, formats=(Format("log", "lines", {"pattern": pattern}),)))
    here.put("a.log", "x 1\ny \nno match here\n")
    here.load()
    assert found(here) == {"id": {"string": 2}, "n": {"string": 1}}


@pytest.mark.parametrize(
    ("pattern", "fields_found"),
    [
        ("^(?P<id>[0-9]+)$", {"id": {"string": 1}}),
        ("^(?P<id>[0-9]+) (?P<n>[0-9]+) x$", {}),
    ],
)
def test_lines_of_one_group_and_lines_that_do_not_match_are_counted(
    shop: Callable[..., Shop], pattern: str, fields_found: dict[str, dict[str, int]]
) -> None:
    here = shop(replace(TYPED, formats=(Format("lines", "lines", {"pattern": pattern}),)))
    here.put("a.log", "12\nno number\n")
    assert [file.status for file in here.load().files] == ["loaded"]
    assert found(here) == fields_found


def test_the_keys_of_a_parquet_map_are_fields(shop: Callable[..., Shop]) -> None:
    here = shop()
    select = "select '1' as id, map {'a': 1, 'b': 2} as more"
    here.put("a.parquet", parquet(here.folder, select))
    here.load()
    assert found(here) == {
        "id": {"string": 1},
        "more": {"object": 1},
        "more.a": {"integer": 1},
        "more.b": {"integer": 1},
    }


def test_keys_that_are_data_become_no_fields(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.put("a.jsonl", [{"id": "1", "by_id": {f"u{number}": number}} for number in range(600)])
    here.load()
    assert found(here) == {
        "id": {"string": 600},
        "by_id": {"object": 600},
        "by_id.*": {"integer": 600},
    }


def test_of_long_text_every_32nd_record_stands_for_the_others(shop: Callable[..., Shop]) -> None:
    here = shop()
    records = [{"id": "1", "n": 1} for _ in range(1024)]
    records += [{"id": "1"} | ({"late": True} if row % 4 == 0 else {}) for row in range(32_000)]
    here.put("a.jsonl", records)
    here.load()
    assert found(here) == {
        "id": {"string": 33_024},
        "n": {"integer": 1024},
        "late": {"boolean": 32_000},
    }
    assert here.query("select distinct file_record_count from raw.file_fields") == [(33_024,)]


def test_of_a_long_parquet_file_some_blocks_stand_for_the_others(
    shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = shop()
    monkeypatch.setattr(parquet_fields, "_WHOLE_ROWS", 1000)
    select = "select range::varchar as id, [1] as list from range(131072)"
    here.put("a.parquet", parquet(here.folder, select))
    here.load()
    assert found(here) == {"id": {"string": 131_072}, "list": {"integer[]": 131_072}}


def test_the_members_of_a_zip_are_counted_together(shop: Callable[..., Shop]) -> None:
    here = shop()
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("1.jsonl", '{"id": "1", "n": 1}\n')
        archive.writestr("2.jsonl", '{"id": "2"}\n')
        archive.writestr("3.parquet", parquet(here.folder, "select '3' as id, 1 as n"))
    here.put("a.zip", content.getvalue())
    here.load()
    assert found(here) == {"id": {"string": 3}, "n": {"integer": 2}}
    assert here.query("select distinct file_record_count from raw.file_fields") == [(3,)]


def test_records_that_are_rejected_have_fields_too(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.put("a.jsonl", [{"id": "1", "place": "Bonn"}, {"id": "2", "place": {"city": "Bonn"}}])
    assert here.load().rejected == 1
    assert found(here)["place"] == {"string": 1, "object": 1}


def test_the_fields_of_a_replaced_delivery_go_with_it(shop: Callable[..., Shop]) -> None:
    here = shop(on_redelivery="replace")
    here.put("a.jsonl", [{"id": "1", "old": 1}])
    here.load()
    here.put("a.jsonl", [{"id": "1", "new": 1}])
    here.load()
    assert found(here) == {"id": {"string": 1}, "new": {"integer": 1}}


def test_a_hostile_name_stays_a_name(shop: Callable[..., Shop]) -> None:
    here = shop()
    names = ["a'); drop table raw.load_files; --", 'say "x"', "a.b", "$[*]", "", "#"]
    records = [{"id": "1", **{name: [{"key": name, "value": 1}] for name in names}}]
    here.put("a.jsonl", records)
    here.load()
    assert {name for name in found(here) if name.count(".") <= 1} >= {*names, "id"}
    assert found(here)["$[*].$[*]"] == {"integer": 1}


def test_the_sample_is_every_32nd_record_wherever_the_batches_end() -> None:
    kept: list[bytes] = []
    watch = fields.Watch(lambda _, samples: [kept.extend(each) for each in samples.values()] and {})
    lines = [json.dumps(number).encode() for number in range(1024 + 320)]
    batches = [
        fields.Batch(range(1, 2), range(1, 2), lines[start : start + 77])
        for start in range(0, len(lines), 77)
    ]
    for _ in watch.over((0, batch) for batch in batches):
        watch.take(None)
    assert sorted(map(int, kept)) == [*range(1024), *range(1024, 1024 + 320, 32)]
