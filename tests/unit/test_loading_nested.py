"""What a twin does not declare is kept at any depth, whatever else stands in the file."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.loading.formats import json_rows
from orchestration.sources import Column, RawTable
from tests.unit.test_loading import MAPPED, TYPED, Shop

DEEP = replace(
    TYPED,
    columns=(
        *TYPED.columns,
        Column("is_on", "boolean"),
        Column("part", "double"),
        Column("extra", "json"),
    ),
)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Callable[..., Shop]]:
    opened: list[Shop] = []

    def open_shop(table: RawTable = DEEP, **options: Any) -> Shop:
        opened.append(Shop(tmp_path, table, **options))
        return opened[-1]

    yield open_shop
    for each in opened:
        each.connection.close()


PLAIN = {"id": "0", "n": 1, "place": {"city": "Bonn"}, "params": [{"key": "a"}], "extra": {"x": []}}
NESTED: list[tuple[str, str | None]] = [
    ('{"place": {"city": "Bonn", "new": 12345678901234567890}}', None),
    ('{"place": {"new": {"deep": [1, null, "x"]}}}', None),
    ('{"params": [{"key": "a"}, {"key": "b", "new": true}]}', '{"params":[{},{"new":true}]}'),
    (
        '{"params": [{"key": "a", "value": {"text": "t", "more": 1.5}}]}',
        '{"params":[{"value":{"more":1.5}}]}',
    ),
    ('{"place": {"town": "Bonn"}, "top": {"level": 1}}', None),
    ('{"params": [], "place": {"new": null}}', "null"),
    ('{"params": [null, {"key": "a"}], "place": null}', "null"),
]


def without_declared(text: str) -> Any:
    record = json.loads(text)
    record.get("place", {}).pop("city", None)
    return record


@pytest.mark.parametrize(("text", "kept"), NESTED)
@pytest.mark.parametrize("neighbour", [PLAIN, {"id": "0", "n": "no number"}, {"id": "0", "n": "5"}])
def test_what_is_nested_and_not_declared_is_kept_whatever_the_neighbours(
    shop: Callable[..., Shop], text: str, kept: str | None, neighbour: dict[str, Any]
) -> None:
    here = shop()
    here.put("a.jsonl", f"{json.dumps(neighbour)}\n{text}\n")
    here.load()
    ((left,),) = here.query("select _other_fields::varchar from raw.typed_events where id is null")
    expected = without_declared(text) if kept is None else json.loads(kept)
    assert (None if left is None else json.loads(left)) == expected
    assert here.query("select _other_fields from raw.typed_events where id = '0'") in (
        [(None,)],
        [],
    )


@pytest.mark.parametrize("place", [{"city": "Bonn", "CITY": "x"}, {"new": 1, "NEW": 2}])
def test_of_names_that_differ_in_case_only_none_is_lost(
    shop: Callable[..., Shop], place: dict[str, Any]
) -> None:
    here = shop()
    here.put("a.jsonl", [{"id": "1", "place": place}])
    assert here.load().loaded == 1
    ((left,),) = here.rows("_other_fields::varchar")
    assert json.loads(left)["place"] == place


def test_a_new_member_late_in_a_long_file_is_kept(shop: Callable[..., Shop]) -> None:
    here = shop()
    late = {"id": "x", "place": {"late": "here"}}
    here.put("a.jsonl", [{"id": "1", "place": {"city": "Bonn"}}] * 3001 + [late])
    assert here.load().loaded == 3002
    assert here.query("select _other_fields::varchar from raw.typed_events where id = 'x'") == [
        ('{"place":{"late":"here"}}',)
    ]


@pytest.mark.parametrize("in_sample", ["false", "true", "hash(left({0}, 24)) % 2 = 0"])
def test_of_many_records_a_sample_tells_the_members_and_nothing_is_lost(
    shop: Callable[..., Shop], monkeypatch: pytest.MonkeyPatch, in_sample: str
) -> None:
    monkeypatch.setattr(json_rows, "_ALL_READ_UP_TO", 10)
    monkeypatch.setattr(json_rows, "_IS_IN_SAMPLE", in_sample)
    # Nothing is nested besides: that need not be looked for.
    monkeypatch.setattr(json_rows, "_found_types", lambda *_: 1 / 0)
    here = shop()
    odd = ['{"id": "a", "id": "b"}', '{"id": "c", "late": 5}', '{"id": ', '{"id": "d"}']
    here.put("a.jsonl", '{"id": "1"}\n' * 100 + "\n".join(odd))
    assert here.load().loaded == 102
    assert here.rejected() == [(101, "duplicate_key"), (103, "invalid_json")]
    assert here.query(
        "select id, _other_fields::varchar from raw.typed_events where id <> '1' order by 1"
    ) == [("c", '{"late":5}'), ("d", None)]


@pytest.mark.parametrize("table", [DEEP, MAPPED])
@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"other": 1}, id="few names"),
        pytest.param({f"other {number}": number for number in range(201)}, id="many names"),
        pytest.param({"AA": 1}, id="names alike but for case"),
        pytest.param({"": 1}, id="an empty name"),
        pytest.param({"a\0b": 1}, id="a name with NUL"),
    ],
)
@pytest.mark.parametrize("n", ["5", "none"])
def test_what_is_kept_of_a_record_does_not_depend_on_the_others(
    shop: Callable[..., Shop], table: RawTable, other: dict[str, Any], n: str
) -> None:
    here = shop(table)
    odd = {"zz": 1, "aa": [1.5, None], "none": None, "\u00fc\x1f\\u00ff\n": {"b": 1, "a": "\u00fc"}}
    # Of a typed table, a value that does not fit has each record looked at.
    records = [{"id": "1", **odd}, {"id": "2", "n": n}, {"id": "3", **other}]
    here.put("a.jsonl", "".join(f"{json.dumps(each)}\n" for each in records) + "broken\n")
    here.load()
    kept = dict(here.rows("id, _other_fields::varchar"))
    assert kept["1"] == '{"aa":[1.5,null],"zz":1,"\u00fc\\u001F\\\\u00ff\\n":{"b":1,"a":"\u00fc"}}'
    assert json.loads(kept["3"]) == other


@pytest.mark.parametrize("n", ["5", "none"])
def test_members_are_kept_by_name_wherever_they_stood(shop: Callable[..., Shop], n: str) -> None:
    here = shop()
    # Of a typed table, a value that does not fit has each record looked at.
    here.put("a.jsonl", [{"place": {"z": 3, "b": 1}, "zz": 1}, {"n": n}])
    here.put("b.jsonl", [{"zz": 1, "place": {"b": 1, "z": 3}}, {"place": {"a": 0}}, {"n": n}])
    here.load()
    kept = here.query("select _other_fields::varchar from raw.typed_events where _row_number = 1")
    assert kept == [('{"zz":1,"place":{"b":1,"z":3}}',)] * 2


def test_what_is_kept_of_a_record_is_the_same_text_in_any_format(
    shop: Callable[..., Shop],
) -> None:
    here = shop()
    names = ["id", "plan", "gr\u00f6\u00dfe", "colour"]
    for order in (names, names[::-1]):
        here.put(f"{order[0]}.csv", ",".join(order) + "\n" + ",".join(order))
        here.put(f"{order[0]}.jsonl", [{name: name for name in order}])
        path = here.folder / "made.parquet"
        values = ", ".join(f"'{name}' as {name}" for name in order)
        duckdb.sql(f"copy (select {values}) to '{path}' (format parquet)")
        here.put(f"{order[0]}.parquet", path.read_bytes())
    assert here.load().loaded == 6
    assert set(here.rows("_other_fields::varchar")) == {
        ('{"colour":"colour","gr\u00f6\u00dfe":"gr\u00f6\u00dfe","plan":"plan"}',)
    }


@pytest.mark.parametrize(
    "select",
    [
        "select '1' as zz, {'city': 'Bonn', 'b': 1, 'a': 2} as place",
        "select {'a': 2, 'city': 'Bonn', 'b': 1} as place, '1' as zz",
    ],
)
def test_parquet_keeps_members_in_the_order_in_which_json_does(
    shop: Callable[..., Shop], select: str
) -> None:
    here = shop()
    duckdb.sql(f"copy ({select}) to '{here.inbox}/a.parquet' (format parquet)")
    duckdb.sql(f"copy ({select}) to '{here.inbox}/a.jsonl' (format json)")
    assert here.load().loaded == 2
    assert here.rows("_other_fields::varchar") == [('{"zz":"1","place":{"a":2,"b":1}}',)] * 2


def test_parquet_keeps_what_is_nested_and_nothing_empty(shop: Callable[..., Shop]) -> None:
    here = shop()
    path = here.folder / "made.parquet"
    duckdb.sql(
        f"""copy (
            select '1' as id, {{'city': 'Bonn', 'new': 9007199254740993}} as place,
                [{{'key': 'a', 'more': null::int}}, {{'key': 'b', 'more': 2}}] as params
            union all
            select '2', {{'city': 'Bonn', 'new': null}}, [{{'key': 'a', 'more': null}}]
        ) to '{path}' (format parquet)"""
    )
    here.put("a.parquet", path.read_bytes())
    here.load()
    assert here.query("select id, _other_fields::varchar from raw.typed_events order by 1") == [
        ("1", '{"place":{"new":9007199254740993},"params":[{},{"more":2}]}'),
        ("2", None),
    ]


@pytest.mark.parametrize(
    "value", ["1.5", '"1.5"', "-2.25", "15e-1", '"0.1"', "[1]", '"x"', "18446744073709551616"]
)
@pytest.mark.parametrize("record", ['{"id": "1", "n": %s}', '{"place": {"zip": %s}}'])
def test_what_no_integer_can_hold_is_rejected_and_not_rounded(
    shop: Callable[..., Shop], record: str, value: str
) -> None:
    here = shop()
    here.put("a.jsonl", record % "7" + "\n" + record % value + "\n")
    here.load()
    assert here.rejected() == [(2, "wrong_type")]
    assert here.query("select coalesce(n, place.zip) from raw.typed_events") == [(7,)]


@pytest.mark.parametrize("value", ["12.0", '"12"', "1.2e1", "12", '" 12 "'])
def test_a_whole_number_is_an_integer_however_it_is_written(
    shop: Callable[..., Shop], value: str
) -> None:
    here = shop()
    here.put("a.jsonl", f'{{"id": "1", "n": {value}}}\n')
    here.load()
    assert here.rows("n") == [(12,)]


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_text_with_a_fraction_is_no_integer_in_tables_either(
    shop: Callable[..., Shop], name: str
) -> None:
    here = shop()
    path = here.folder / name
    select = "select unnest(['1', '2', '3']) as id, unnest(['1.5', '2', '3.0']) as n"
    duckdb.sql(f"copy ({select}) to '{path}'")
    here.put(name, path.read_bytes())
    here.load()
    assert here.rows("id, n", order="id") == [("2", 2), ("3", 3)]
    assert here.rejected() == [(1, "wrong_type")]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('{"place": {"city": "Bonn", "city": "Rome"}}', "place.city"),
        ('{"place": {"city": "Bonn", "ci\\u0074y": "Rome"}}', "place.city"),
        ('{"place": {"new": 1, "new": 2}}', "place.new"),
        ('{"params": [{}, {"key": "a", "key": "b"}]}', "params[1].key"),
        ('{"params": [{"value": {"text": "a", "text": "b"}}]}', "params[0].value.text"),
    ],
)
@pytest.mark.parametrize("neighbour", [PLAIN, {"id": "0", "n": "no number"}])
def test_a_name_twice_in_a_declared_object_is_rejected(
    shop: Callable[..., Shop], text: str, where: str, neighbour: dict[str, Any]
) -> None:
    here = shop()
    here.put("a.jsonl", f"{json.dumps(neighbour)}\n{text}\n")
    here.load()
    assert here.query("select reason, detail from raw.rejected_records where row_number = 2") == [
        ("duplicate_key", f"twice in the record: '{where}'")
    ]
    assert here.rows("id") in ([("0",)], [])


def test_a_name_twice_in_what_is_kept_whole_is_no_loss(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.put("a.jsonl", '{"extra": {"x": 1, "x": 2}, "new": {"y": 1, "y": 2}}\n')
    assert here.load().loaded == 1
    assert here.rows("extra::varchar, _other_fields::varchar") == [
        ('{"x":1,"x":2}', '{"new":{"y":1,"y":2}}')
    ]


FIRST, SECOND = '[{"n": 1}]', '[{"n": 2}]'


@pytest.mark.parametrize(
    ("records", "text"),
    [
        ("visit.hits", f'{{"visit": {{"hits": {FIRST}, "hits": {SECOND}}}}}'),
        ("visits[].hits", f'{{"visits": [{{"hits": {FIRST}, "hits": {SECOND}}}]}}'),
        ("visits[].hits", f'{{"visits": {{"hits": {FIRST}, "hits": {SECOND}}}}}'),
        ("visit.page.hits", f'{{"visit": {{"page": {{"hits": {FIRST}, "hits": {SECOND}}}}}}}'),
    ],
)
def test_of_two_arrays_of_records_under_one_name_none_is_lost(
    shop: Callable[..., Shop], records: str, text: str
) -> None:
    here = shop(MAPPED, records=records, mapping={"id": "n"})
    good = text.replace(f', "hits": {SECOND}', "")
    here.put("a.jsonl", f"{text}\n{good}\n")
    here.load()
    assert here.rejected() == [(1, "duplicate_key")]
    assert here.rows("_row_number, id") == [(2, "1")]
