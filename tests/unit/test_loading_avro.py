"""Avro is loaded as the JSON that says the same, exactly, or refused; nothing of it is lost."""

import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import cramjam
import fastavro
import pytest
import zstandard

from orchestration.loading.formats import avro
from orchestration.loading.reasons import FileRefused
from orchestration.sources import Format, RawTable, read_raw_tables
from tests.unit.test_loading import MAPPED, TYPED, Shop
from tests.unit.test_loading_zip import zip_of

STAGING = Path(__file__).resolve().parents[2] / "dbt_project" / "models" / "staging"
FORMATS = (*TYPED.formats, Format("avro", "avro"))
ID = {"type": "record", "name": "r", "fields": [{"name": "id", "type": "string"}]}


def record_of(**types: Any) -> dict[str, Any]:
    return named("event", **types)


def named(record_name: str, **types: Any) -> dict[str, Any]:
    fields = [{"name": name, "type": each} for name, each in types.items()]
    return {"type": "record", "name": record_name, "fields": fields}


def nullable(data_type: Any) -> list[Any]:
    return ["null", data_type]


def written(schema: Any, records: list[Any], codec: str = "null", **options: Any) -> bytes:
    file = io.BytesIO()
    # fastavro packs with another zstd library, which is not installed.
    is_zstd = codec == "zstandard"
    fastavro.writer(file, schema, records, codec="null" if is_zstd else codec, **options)
    return _with_zstd_blocks(file) if is_zstd else file.getvalue()


def _with_zstd_blocks(file: io.BytesIO) -> bytes:
    file.seek(0)
    blocks = list(fastavro.block_reader(file))
    content = file.getvalue()
    sync = content[-16:]
    header = content[: content.index(sync) + 16].replace(b"\x08null", b"\x12zstandard")
    for block in blocks:
        packed = zstandard.compress(block.bytes_.getvalue())
        header += avro._zigzag(block.num_records) + avro._zigzag(len(packed)) + packed + sync
    return header


def read(content: bytes, size: int = 1 << 20) -> list[Any]:
    chunks = (content[at : at + size] for at in range(0, len(content), size))
    lines = b"".join(avro.json_lines(chunks)).splitlines()
    return [json.loads(line, parse_float=str, parse_int=str) for line in lines]


def value_of(data_type: Any, value: Any) -> Any:
    (record,) = read(written(record_of(x=data_type), [{"x": value}]))
    return record["x"]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Callable[..., Shop]]:
    opened: list[Shop] = []

    def open_shop(table: RawTable = TYPED, **options: Any) -> Shop:
        opened.append(Shop(tmp_path, replace(table, formats=FORMATS), **options))
        return opened[-1]

    yield open_shop
    for each in opened:
        each.connection.close()


# ---------------------------------------------------------------- values


def logical(kind: str, logical_type: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "logicalType": logical_type, **more}


FIXED = {"type": "fixed", "name": "f", "size": 16}
MOMENT = datetime(2026, 3, 14, 10, 30, 3, 512345, tzinfo=UTC)
MICROS = int(MOMENT.timestamp()) * 1_000_000 + 512345


@pytest.mark.parametrize(
    ("data_type", "value", "expected"),
    [
        ("long", 2**63 - 1, str(2**63 - 1)),
        ("long", -(2**63), str(-(2**63))),
        ("long", 9007199254740993, "9007199254740993"),
        ("double", 0.1, "0.1"),
        ("float", 19.9, "19.9"),
        ("float", 3.4028234663852886e38, "3.4028235e+38"),
        ("double", float("nan"), "nan"),
        ("float", float("-inf"), "-inf"),
        ("boolean", True, True),
        (["null", "string"], None, None),
        ("string", 'é"\\\n\u2028\0', 'é"\\\n\u2028\0'),
        ("bytes", "é".encode(), "é"),
        ("bytes", b"\xff\x00", "/wA="),
        (FIXED, bytes(range(240, 256)), "8PHy8/T19vf4+fr7/P3+/w=="),
        ({"type": "enum", "name": "e", "symbols": ["A", "B"]}, "B", "B"),
        (logical("bytes", "decimal", precision=38, scale=9), Decimal("-1.5"), "-1.500000000"),
        (
            logical("bytes", "decimal", precision=77, scale=38),
            Decimal(
                "12345678901234567890123456789012345678.01234567890123456789012345678901234567"
            ),
            "12345678901234567890123456789012345678.01234567890123456789012345678901234567",
        ),
        (logical("fixed", "decimal", precision=4, scale=0, size=4, name="d"), Decimal(7), "7"),
        (logical("string", "uuid"), UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (logical("long", "timestamp-micros"), MOMENT, "2026-03-14T10:30:03.512345Z"),
        (logical("long", "timestamp-millis"), MOMENT, "2026-03-14T10:30:03.512Z"),
        (logical("long", "timestamp-nanos"), 1, "1970-01-01T00:00:00.000000001Z"),
        (logical("long", "timestamp-micros"), -1, "1969-12-31T23:59:59.999999Z"),
        (logical("long", "local-timestamp-micros"), MICROS, "2026-03-14T10:30:03.512345"),
        (logical("long", "timestamp-millis"), -62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
        (logical("long", "local-timestamp-millis"), -30_610_224_000_001, "0999-12-31T23:59:59.999"),
        (logical("long", "timestamp-millis"), -62_135_596_800_001, "-62135596800001"),
        (
            logical("long", "timestamp-micros"),
            253_402_300_799_999_999,
            "9999-12-31T23:59:59.999999Z",
        ),
        (logical("long", "timestamp-micros"), 2**62, str(2**62)),
        (logical("int", "date"), date(2026, 3, 14), "2026-03-14"),
        (logical("int", "date"), 2**30, str(2**30)),
        (logical("int", "time-millis"), time(1, 2, 3, 4000), "01:02:03.004"),
        (logical("long", "time-micros"), time(23, 59, 59, 7), "23:59:59.000007"),
        (logical("long", "nobody-knows"), 5, "5"),
        ({"type": "array", "items": logical("int", "date")}, [0, 1], ["1970-01-01", "1970-01-02"]),
        ({"type": "map", "values": "bytes"}, {"k": b"v"}, {"k": "v"}),
        (["null", "long", logical("bytes", "decimal", precision=4, scale=2)], Decimal("1"), "1.00"),
        (["null", "long", "string"], "s", "s"),
        (["string", {"type": "map", "values": "bytes"}], {"k": b"v"}, {"k": "v"}),
        (["null", named("day", at=logical("int", "date"))], {"at": 0}, {"at": "1970-01-01"}),
    ],
)
def test_a_value_is_what_it_is_in_json(data_type: Any, value: Any, expected: Any) -> None:
    assert value_of(data_type, value) == expected


def test_a_union_of_records_is_told_apart_by_name() -> None:
    a = named("a", at=logical("int", "date"))
    b = named("b", at="int")
    values = [("b", {"at": 1}), ("a", {"at": 1}), None]
    content = written(record_of(x=["null", a, b]), [{"x": value} for value in values])
    assert read(content) == [{"x": {"at": "1"}}, {"x": {"at": "1970-01-02"}}, {"x": None}]


def test_a_type_named_twice_is_converted_in_both_places() -> None:
    day = {**named("day", at=logical("int", "date")), "namespace": "n"}
    schema = record_of(first=day, second="n.day")
    content = written(schema, [{"first": {"at": 0}, "second": {"at": 1}}])
    assert read(content) == [{"first": {"at": "1970-01-01"}, "second": {"at": "1970-01-02"}}]


@pytest.mark.parametrize("codec", ["null", "deflate", "snappy", "zstandard", "bzip2", "xz"])
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_all_blocks_are_read_however_they_are_packed(codec: str, size: int) -> None:
    records = [{"id": str(n)} for n in range(3000)]
    content = written(ID, records, codec=codec, sync_interval=500)
    assert read(content, size) == records


def test_a_file_without_records_holds_none() -> None:
    assert read(written(ID, [])) == []


# ---------------------------------------------------------------- damage

SOUND = written(ID, [{"id": str(n)} for n in range(500)], sync_interval=300)


def test_each_place_where_the_file_may_be_cut_is_noticed() -> None:
    ends = {len(SOUND)}
    sync = SOUND[-16:]
    at = SOUND.index(sync) + 16
    while at < len(SOUND):
        ends.add(at)
        at = SOUND.index(sync, at) + 16
    for cut in range(4, len(SOUND)):
        if cut in ends:
            continue
        with pytest.raises(FileRefused, match="avro_invalid"):
            read(SOUND[:cut])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (SOUND[:-16] + bytes(16), "does not end with the file's marker"),
        (SOUND + b"more", "breaks off|does not end|records in|can be|claims|has"),
        (b"Obj\x01", "breaks off"),
        (b"Obj\x01" + bytes(40), "no 'avro.schema'"),
        (SOUND.replace(b'"string"', b'"strong"'), "header cannot be read"),
        (SOUND.replace(b'{"type": "record"', b'{"type": "rxcord"'), "header cannot be read"),
    ],
)
def test_what_is_damaged_is_refused(content: bytes, told: str) -> None:
    with pytest.raises(FileRefused, match=told) as refused:
        read(content)
    assert refused.value.reason == "avro_invalid"


def with_block(schema: Any, count: int, data: bytes, codec: str = "null") -> bytes:
    content = written(schema, [], codec=codec)
    number = avro._zigzag
    return content + number(count) + number(len(data)) + data + content[-16:]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (with_block(ID, 1, b"\x02a\x02b"), "cannot be decoded"),
        (with_block(ID, 1, b"\x02a\x02\x02b"), "other bytes follow the 1 records"),
        (with_block(ID, 1, b"\x02a\0\0"), "other bytes follow the 1 records"),
        (with_block(ID, 2, b"\x02a"), "cannot be decoded"),
        (with_block(ID, 1, b"\x01"), "cannot be decoded"),
        (with_block(ID, 1 << 60, b"\x02a"), "claims"),
        (with_block(ID, 1, b"\xff" * 9 + b"\x01"), "cannot be decoded"),
        (with_block(record_of(x=["null", "int"]), 1, b"\x08"), "cannot be decoded"),
        (with_block(ID, 1, b"damaged", "deflate"), "cannot be unpacked"),
        (with_block(ID, 1, zlib.compress(b"\x02a" * 99)[2:-20], "deflate"), "cannot be unpacked"),
        (with_block(ID, 1, b"x", "null").replace(b"null", b"lz99"), "lz99"),
    ],
)
def test_a_block_that_lies_is_refused(content: bytes, told: str) -> None:
    with pytest.raises(FileRefused, match=told):
        read(content)


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        (record_of(x=["null", "event"]), "'event' holds itself"),
        (record_of(x={"type": "array", "items": "null"}), "take no bytes"),
        (record_of(), "take no bytes"),
        ("string", "no records"),
    ],
)
def test_a_schema_whose_values_have_no_bounds_is_refused(schema: Any, told: str) -> None:
    with pytest.raises(FileRefused, match=told):
        read(written(schema, []))


def test_a_block_of_snappy_that_would_be_too_large_is_refused() -> None:
    packed = bytes(cramjam.snappy.compress_raw(bytes(200 << 20)))
    with pytest.raises(FileRefused, match="decompression_limit"):
        read(with_block(record_of(x="bytes"), 1, packed + bytes(4), "snappy"))


def test_a_block_of_snappy_with_another_checksum_is_refused() -> None:
    packed = bytes(cramjam.snappy.compress_raw(b"\x02a"))
    sound = (zlib.crc32(b"\x02a")).to_bytes(4, "big")
    assert read(with_block(ID, 1, packed + sound, "snappy")) == [{"id": "a"}]
    with pytest.raises(FileRefused, match="checksum"):
        read(with_block(ID, 1, packed + bytes(4), "snappy"))


@pytest.mark.parametrize(
    "pack",
    [
        ("deflate", lambda data: zlib.compress(data, 9)[2:-4]),
        ("zstandard", zstandard.compress),
    ],
)
def test_a_bomb_is_refused(pack: tuple[str, Callable[[bytes], bytes]]) -> None:
    codec, compress = pack
    for size in (8 << 20, 200 << 20):
        content = with_block(record_of(x="bytes"), 1, compress(bytes(size)), codec)
        with pytest.raises(FileRefused, match="decompression_limit"):
            read(content)


# ---------------------------------------------------------------- loaded

VALUE = named("value", text=nullable("string"), number=nullable("long"))
NESTED = record_of(
    id="string",
    n=nullable("long"),
    place=nullable(named("place", city="string", zip="long")),
    params={"type": "array", "items": named("param", key="string", value=VALUE)},
    extra={"type": "map", "values": logical("bytes", "decimal", precision=9, scale=2)},
)
ROWS = [
    {
        "id": str(n),
        "n": 2**62 + n,
        "place": {"city": "Ulm", "zip": 89073},
        "params": [{"key": "k", "value": {"text": None, "number": n}}],
        "extra": {"price": Decimal(n)},
    }
    for n in range(1, 4)
]


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("a.avro", lambda content: content),
        ("told-by-content", lambda content: content),
        ("a.avro.gz", gzip.compress),
        ("a.avro.zst", zstandard.compress),
        ("a.zip", lambda content: zip_of(("a.avro", content))),
    ],
)
def test_records_become_typed_columns(
    shop: Callable[..., Shop], name: str, pack: Callable[[bytes], bytes]
) -> None:
    here = shop()
    here.put(name, pack(written(NESTED, ROWS, codec="deflate")))
    here.load()
    assert here.rows("_row_number, id, n, place, params, _other_fields") == [
        (
            n,
            str(n),
            2**62 + n,
            {"city": "Ulm", "zip": 89073},
            [{"key": "k", "value": {"text": None, "number": n}}],
            f'{{"extra":{{"price":"{n}.00"}}}}',
        )
        for n in range(1, 4)
    ]
    assert here.query("select status, format, records_read from raw.load_files") == [
        ("loaded", "avro", 3)
    ]


def test_a_value_of_the_wrong_type_rejects_its_record(shop: Callable[..., Shop]) -> None:
    here = shop()
    records = [{"id": "1", "n": "1"}, {"id": "2", "n": "x"}]
    here.put("a.avro", written(record_of(id="string", n="string"), records))
    here.load()
    assert here.rows("id, n") == [("1", 1)]
    assert here.rejected() == [(2, "wrong_type")]


def test_bytes_that_are_no_text_reject_their_record(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.put("a.avro", with_block(ID, 3, b"\x02a\x04\xff\xfe\x02c"))
    here.load()
    assert here.rows("id") == [("a",), ("c",)]
    assert here.rejected() == [(2, "invalid_utf8")]


def test_a_mapping_reaches_into_records(shop: Callable[..., Shop]) -> None:
    here = shop(MAPPED, mapping={"id": "id", "city": "place.city"})
    here.put("a.avro", written(NESTED, ROWS[:1]))
    here.load()
    assert here.rows("id, city, n") == [("1", "Ulm", None)]


def test_a_damaged_file_is_refused_whole(shop: Callable[..., Shop]) -> None:
    here = shop()
    here.put("a.avro", SOUND[:-16] + bytes(16))
    here.put("b.avro", "no avro")
    here.put("c.avro", b"")
    here.load()
    assert [(status, reason) for _, status, reason in here.statuses()] == [
        ("refused", "avro_invalid")
    ] * 3
    assert here.rows() == []


@pytest.mark.parametrize(
    ("odd", "told"), [(b"\\ud800", r"\ud800"), (b"\\udcff", r"\udcff"), (b"\\u0000", "\0")]
)
def test_a_schema_named_by_no_character_is_refused_and_told(
    shop: Callable[..., Shop], odd: bytes, told: str
) -> None:
    here = shop()
    here.put("a.avro", SOUND.replace(b'"string"', b'"%b"' % odd))
    here.put("b.avro", SOUND)
    assert [file.reason for file in here.load().files] == ["avro_invalid", None]
    assert [file.status for file in here.load().files] == ["unchanged"] * 2
    assert here.query("select detail from raw.load_files where status = 'refused'") == [
        (f"its header cannot be read: {told}",)
    ]


def test_a_kind_without_the_format_refuses_it(tmp_path: Path) -> None:
    here = Shop(tmp_path, TYPED)
    here.put("a.avro", SOUND)
    (file,) = here.load().files
    assert (file.reason, file.detail) == (
        "format_not_accepted",
        "it is Avro; expected json_lines, table, parquet",
    )
    here.connection.close()


def test_a_further_table_is_told_by_the_fields_of_the_schema() -> None:
    assert avro.field_names(written(NESTED, ROWS)) == {"id", "n", "place", "params", "extra"}
    assert avro.field_names(SOUND[:30]) == set()


@pytest.mark.parametrize("kind", ["ga4", "generic", "segment_warehouse"])
def test_kinds_that_are_exported_as_avro_take_it(kind: str) -> None:
    assert "avro" in [each.reader for each in read_raw_tables(STAGING)[kind].formats]


def test_the_real_ga4_schema_round_trips_as_avro(tmp_path: Path) -> None:
    """BigQuery writes each column as a union with null, INT64 as long, FLOAT64 as double."""
    table = read_raw_tables(STAGING)["ga4"]
    value = named(
        "Value",
        string_value=nullable("string"),
        int_value=nullable("long"),
        float_value=nullable("double"),
        double_value=nullable("double"),
    )
    param = named("EventParams", key=nullable("string"), value=nullable(value))
    schema = record_of(
        event_date=nullable("string"),
        event_timestamp=nullable("long"),
        event_name=nullable("string"),
        event_params={"type": "array", "items": param},
        user_pseudo_id=nullable("string"),
        is_active_user=nullable("boolean"),
        event_value_in_usd=nullable("double"),
        new_column=nullable("string"),
    )
    values = {"string_value": None, "int_value": None, "float_value": None, "double_value": None}
    event = {
        "event_date": "20260314",
        "event_timestamp": 1773484203123456,
        "event_name": "purchase",
        "event_params": [
            {"key": "ga_session_id", "value": {**values, "int_value": 2**60 + 1}},
            {"key": "value", "value": {**values, "double_value": 0.1}},
        ],
        "user_pseudo_id": "1841234.1773400000",
        "is_active_user": True,
        "event_value_in_usd": 19.9,
        "new_column": "kept",
    }
    here = Shop(tmp_path, table)
    here.put("events_20260314.avro", written(schema, [event], codec="deflate"))
    assert here.load().loaded == 1
    (row,) = here.rows(
        "event_timestamp, event_params, is_active_user, event_value_in_usd, _other_fields"
    )
    expected = [{"key": each["key"], "value": each["value"]} for each in event["event_params"]]
    assert row == (1773484203123456, expected, True, 19.9, '{"new_column":"kept"}')
    here.connection.close()
