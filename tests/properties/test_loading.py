"""Whatever bytes a file holds, every record of it is accounted for; what is sound comes back."""

import gzip
import io
import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import duckdb
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from orchestration.loading import create_raw_tables, load_source, open_warehouse, text
from orchestration.loading.containers import read_contents, text_of
from orchestration.loading.formats import json_rows
from orchestration.loading.formats.json_sql import is_doubtful
from orchestration.loading.formats.json_verdict import verdict_on
from orchestration.loading.reasons import FileRefused
from orchestration.loading.text import read_batches, read_blocks
from orchestration.sources import Column, Format, RawTable, Source

JSON = Format("json", "json")
CSV = Format("csv", "csv")
TSV = Format("tsv", "csv", {"delimiter": "\t", "quote": ""})
LINES = Format("lines", "lines", {"pattern": r"^(?P<id>[^ ]+) (?P<text>.*)$"})
PARQUET = Format("parquet", "parquet")

TABLE = RawTable(
    kind="any",
    name="any_events",
    columns=(
        Column("id", "varchar"),
        Column("number", "bigint"),
        Column("text", "varchar"),
        Column("nested", "struct(a varchar, b struct(c bigint)[])"),
    ),
    formats=(JSON, CSV, TSV, LINES, PARQUET),
    mapped=False,
    on_redelivery="append",
    session_ids_from="tracker",
)

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
NESTED = st.fixed_dictionaries(
    {},
    optional={
        "a": st.none() | TEXT,
        "b": st.none() | st.lists(st.fixed_dictionaries({"c": st.none() | INTEGERS}), max_size=3),
    },
)
VALUES = st.recursive(
    st.none() | st.booleans() | INTEGERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
RECORDS = st.lists(
    st.fixed_dictionaries(
        {"id": st.none() | TEXT, "number": st.none() | INTEGERS},
        optional={"text": st.none() | TEXT, "nested": st.none() | NESTED, "more": VALUES},
    ),
    max_size=8,
)

SEEDS = {
    "json": b'{"id": "1", "number": 2, "nested": {"a": "x", "b": [{"c": 3}]}, "new": [1.5]}\n'
    b'{"id": "\xc3\xbc", "text": "a,}b"}\n{"id": "3"}\n',
    "array": b'[{"id": "1", "number": 2},\n {"id": "2", "text": "]["}]\n',
    "csv": b'id,number,text,new\n1,2,"a ""b""\nc",\n2,3,plain,x\n',
    "tsv": b"id\tnumber\ttext\n1\t2\tx\n2\t3\ty\n",
    "lines": b"1 GET /a\n2 GET /b\n",
}

OFTEN = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class Loader:
    """A warehouse into which one file after the other is loaded, under ever the same name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.connection = open_warehouse(
            folder / "w.duckdb", memory_limit="500MB", threads=2, temp_dir=folder / "tmp"
        )
        create_raw_tables(self.connection, {"any": TABLE}, [])

    def load(self, content: bytes, name: str, fmt: Format | None = None) -> tuple[Any, ...]:
        """Load the content alone, check that accounts balance, and return its ledger row."""
        inbox = self.folder / "inbox"
        inbox.mkdir(exist_ok=True)
        path = inbox / name
        path.write_bytes(content)
        for table in ("load_files", "rejected_records", TABLE.name):
            self.query(f"delete from raw.{table}")
        source = Source(
            "any", "any", f"inbox/{name}", self.folder, format=None if fmt is None else fmt.name
        )
        load_source(self.connection, source, TABLE, self.folder / "landing")
        path.unlink()
        ((status, reason, detail, read, loaded, rejected),) = self.query(
            "select status, reason, detail, records_read, records_loaded, records_rejected "
            "from raw.load_files"
        )
        numbers = self.query(
            f"select _row_number from raw.{TABLE.name} "
            "union all select row_number from raw.rejected_records"
        )
        assert read == loaded + rejected
        assert sorted(number for (number,) in numbers) == list(range(1, read + 1))
        assert self.query(f"select count(*) from raw.{TABLE.name}") == [(loaded,)]
        assert reason != "internal_error", detail
        return status, reason, read, loaded, rejected

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql).fetchall()


@pytest.fixture(scope="module")
def loader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loader]:
    made = Loader(tmp_path_factory.mktemp("loader"))
    yield made
    made.connection.close()


@st.composite
def mutations(draw: st.DrawFn, content: bytes) -> bytes:
    """Change the content in a few places: overwrite, insert, cut out, repeat."""
    odd = st.sampled_from([b"\0", b"\x01", b"\r", b"\n", b'"', b"\xff", b"{", b"]", b",", b"\t"])
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        end = draw(st.integers(at, min(len(content), at + 20)))
        put = draw(odd | st.binary(max_size=4) | st.just(content[at:end] * 2))
        content = content[:at] + put + content[end:]
    return content


# ---------------------------------------------------------------- nothing is lost


@pytest.mark.parametrize("seed", SEEDS)
@OFTEN
@given(data=st.data())
def test_no_change_to_a_file_loses_a_record(loader: Loader, seed: str, data: st.DataObject) -> None:
    formats = {"json": JSON, "array": JSON, "csv": CSV, "tsv": TSV, "lines": LINES}
    content = data.draw(mutations(SEEDS[seed]))
    loader.load(content, "file", formats[seed])
    loader.load(content, "file")


@OFTEN
@given(data=st.data())
def test_no_change_to_a_parquet_file_stops_the_loader(loader: Loader, data: st.DataObject) -> None:
    buffer = Path(loader.folder / "seed.parquet")
    if not buffer.exists():
        duckdb.connect().execute(
            "copy (select range::varchar as id, range as number, 'x' as text from range(50)) "
            f"to '{buffer}' (format parquet)"
        )
    loader.load(data.draw(mutations(buffer.read_bytes())), "file.parquet")


LINES_OF_JSON = st.lists(
    st.one_of(
        st.sampled_from(SEEDS["json"].splitlines(keepends=True)),
        st.just(b'{"id": "1", "id": "2"}\n'),
        st.just(b'{"nested": {"a": "x", "a": "y"}}\n'),
        st.sampled_from([b'{"id": "4"}\x0c\n', b'{"id": "5"} \x0b \n', b'{"id": "nan,"}\x0c ']),
        st.dictionaries(TEXT, VALUES, max_size=3).map(lambda each: json.dumps(each).encode()),
        st.sampled_from(SEEDS["json"].splitlines(keepends=True)).flatmap(mutations),
    ),
    max_size=6,
).map(b"\n".join)


@OFTEN
@given(content=LINES_OF_JSON)
def test_json_is_loaded_alike_whichever_members_a_sample_showed(
    loader: Loader, content: bytes
) -> None:
    def loaded() -> list[Any]:
        return [
            loader.load(content, "file", JSON),
            loader.query(f"select * exclude (_loaded_at) from raw.{TABLE.name} order by all"),
            loader.query("select row_number, reason, detail from raw.rejected_records order by 1"),
        ]

    expected = loaded()
    with patch.multiple(json_rows, _ALL_READ_UP_TO=0, _IS_IN_SAMPLE="false"):
        assert loaded() == expected


def text_in(path: Path) -> bytes:
    return b"".join(chunk for each in read_contents(path, "file.gz") for chunk in text_of(each))


@OFTEN
@given(data=st.data())
def test_a_damaged_gzip_is_refused_or_loaded_as_it_was(tmp_path: Path, data: st.DataObject) -> None:
    content = b"".join(b'{"id": "%d"}\n' % number for number in range(200))
    packed = bytearray(gzip.compress(content, mtime=0))
    position = data.draw(st.integers(10, len(packed) - 1))
    packed[position] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path / "file"
    path.write_bytes(packed)
    try:
        found = text_in(path)
    except FileRefused as refusal:
        assert refusal.reason.startswith("gzip_")
    else:
        assert found == content


@OFTEN
@given(
    members=st.lists(st.binary(max_size=400).map(lambda each: b"x" + each), min_size=1, max_size=4),
    padding=st.integers(0, 3),
    cut=st.integers(1, 30),
)
def test_a_gzip_of_many_members_is_read_whole_or_refused(
    tmp_path: Path, members: list[bytes], padding: int, cut: int
) -> None:
    packed = b"".join(gzip.compress(each) for each in members)
    path = tmp_path / "file"
    path.write_bytes(packed + bytes(padding))
    assert text_in(path) == b"".join(members)
    path.write_bytes(packed[: max(2, len(packed) - min(cut, 17))])
    with pytest.raises(FileRefused, match="gzip_truncated"):
        text_in(path)


def pieces(content: bytes, sizes: list[int]) -> Iterator[bytes]:
    file = io.BytesIO(content)
    for size in sizes * len(content):
        if not (piece := file.read(size)):
            return
        yield piece


@OFTEN
@given(content=st.binary(max_size=200), sizes=st.lists(st.integers(1, 40), min_size=1))
def test_lines_do_not_depend_on_how_the_content_is_read(content: bytes, sizes: list[int]) -> None:
    expected = [line.removesuffix(b"\r") for line in content.split(b"\n")]
    expected = [line for line in expected if line.strip()]
    found: list[tuple[int, bytes]] = []
    for batch in read_batches(read_blocks(pieces(content, sizes))):
        found += zip(batch.row_numbers, batch.lines, strict=True)
        found += [(each.row_number, each.raw or b"") for each in batch.rejections]
    assert [line for _, line in sorted(found)] == expected
    assert sorted(row for row, _ in found) == list(range(1, len(expected) + 1))


@OFTEN
@given(
    lines=st.lists(st.text("a \r", max_size=20), max_size=6),
    sizes=st.lists(st.integers(1, 80), min_size=1),
)
def test_a_line_too_long_is_rejected_alone_however_the_content_is_read(
    lines: list[str], sizes: list[int]
) -> None:
    content = "\n".join(lines).encode()
    found: list[tuple[int, int, int | None]] = []
    with patch.multiple(text, MAX_RECORD_BYTES=8, KEPT_BYTES=4):
        for batch in read_batches(read_blocks(pieces(content, sizes))):
            for row, number in zip(batch.row_numbers, batch.line_numbers, strict=True):
                found.append((row, number, None))
            for each in batch.rejections:
                assert each.reason == "record_too_large"
                found.append((each.row_number, each.line_number, each.byte_offset))
    kept = [
        (number, sum(map(len, lines[: number - 1])) + number - 1 if len(line) > 8 else None)
        for number, line in enumerate(lines, start=1)
        if len(line) > 8 or line.strip()
    ]
    assert sorted(found) == [(row, *each) for row, each in enumerate(kept, start=1)]


# ---------------------------------------------------------------- what is sound comes back


@OFTEN
@given(records=RECORDS, indented=st.booleans(), ascii_only=st.booleans())
@example(
    records=[{"id": "NaN,", "number": -1, "more": {"": [None]}}], indented=False, ascii_only=True
)
@example(records=[{"id": "#row", "number": 1, "#row": 5}], indented=False, ascii_only=True)
@example(records=[{"id": "1", "number": 1, "ID": 5}], indented=False, ascii_only=True)
def test_json_records_come_back_as_they_were(
    loader: Loader, records: list[dict[str, Any]], indented: bool, ascii_only: bool
) -> None:
    separators = (", ", ": ") if indented else (",", ":")
    text = "".join(
        json.dumps(each, ensure_ascii=ascii_only, separators=separators) + "\n" for each in records
    )
    loader.load(text.encode(), "file.jsonl")
    assert came_back(loader) == [expected_row(each) for each in records]


@OFTEN
@given(records=RECORDS, indent=st.none() | st.integers(0, 2))
def test_a_json_array_comes_back_as_it_was(
    loader: Loader, records: list[dict[str, Any]], indent: int | None
) -> None:
    loader.load(json.dumps(records, indent=indent).encode(), "file.json")
    assert came_back(loader) == [expected_row(each) for each in records]


@OFTEN
@given(
    rows=st.lists(
        st.tuples(TEXT.filter(str.strip), INTEGERS.map(str), TEXT, TEXT), min_size=1, max_size=6
    ),
    quoting=st.sampled_from(["all", "needed"]),
)
def test_csv_rows_come_back_as_they_were(
    loader: Loader, rows: list[tuple[str, ...]], quoting: str
) -> None:
    def cell(value: str) -> str:
        needed = any(each in value for each in '",\r\n') or quoting == "all"
        return '"' + value.replace('"', '""') + '"' if needed else value

    lines = ["id,number,text,new", *(",".join(map(cell, row)) for row in rows)]
    loader.load("".join(line + "\r\n" for line in lines).encode(), "file.csv")
    found = loader.query(
        f"select id, number, text, _other_fields from raw.{TABLE.name} order by _row_number"
    )
    assert [(id_, number, text) for id_, number, text, _ in found] == [
        (id_, int(number), text or None) for id_, number, text, _ in rows
    ]
    assert [json.loads(rest) if rest else {} for *_, rest in found] == [
        {"new": new} if new else {} for *_, new in rows
    ]


@OFTEN
@given(data=st.data())
def test_a_record_is_loaded_exactly_when_the_strict_parser_takes_it(
    loader: Loader, data: st.DataObject
) -> None:
    line = data.draw(mutations(b'{"id": "1", "more": [1, -2.5e3, true, null, {"k": "v"}]}'))
    if b"\n" in line or not line.strip():
        return
    loader.load(b'{"id": "0"}\n' + line + b"\n", "file.jsonl")
    reasons = [reason for (reason,) in loader.query("select reason from raw.rejected_records")]
    try:
        text = line.removesuffix(b"\r").decode()
    except UnicodeDecodeError:
        assert reasons in (["invalid_utf8"], ["control_character"])
        return
    if "\0" in text:
        assert reasons == ["control_character"]
        return
    verdict = verdict_on(text, types={})
    assert Counter(reasons) == Counter([verdict[0]] if verdict else [])


def spaced(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(SPACE, inner, SPACE).map("".join)


def between(opening: str, members: st.SearchStrategy[str], closing: str) -> st.SearchStrategy[str]:
    """Return texts of objects or arrays, some with a comma after the last member."""
    last = st.sampled_from(["", "", ","])
    return st.tuples(st.lists(members, max_size=3), last, SPACE).map(
        lambda each: opening + ",".join(each[0]) + each[1] + each[2] + closing
    )


SPACE = st.sampled_from(["", "", "", " ", "\t "])
NAMES = st.sampled_from(['"number"', '"other"', '"a, nan]"'])
LENIENT_NUMBERS = ["NaN", "nan", "-NaN", "Inf", "-inf", "Infinity", "-INFINITY"]
SCALARS = st.sampled_from(["1", "-2", "1.5", "3e2", "null", '"nan,"', '"x"', *LENIENT_NUMBERS])


def members(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(spaced(NAMES), spaced(values)).map(":".join)


ALMOST_VALUES = st.recursive(
    SCALARS,
    lambda inner: between("[", spaced(inner), "]") | between("{", members(inner), "}"),
    max_leaves=4,
)
ALMOST_JSON = between("{", members(ALMOST_VALUES), "}")


@settings(OFTEN, max_examples=300)
@given(text=ALMOST_JSON)
def test_what_only_duckdbs_parser_takes_is_doubtful(loader: Loader, text: str) -> None:
    condition = is_doubtful("record", ["number"])
    ((is_valid, doubtful),) = loader.connection.execute(
        f"select json_valid(record), {condition} from (select $1 as record)", [text]
    ).fetchall()
    verdict = verdict_on(text, types={"number": duckdb.sqltype("bigint")})
    if is_valid and verdict is not None and verdict[0] != "duplicate_key":
        assert doubtful or verdict[0] == "wrong_type"
    if re.search(r'"number"\s*:\s*(1\.5|3e2)', text):
        assert doubtful
    if "nan" not in text and verdict is None and "." not in text and "e2" not in text:
        assert not doubtful


def came_back(loader: Loader) -> list[tuple[Any, ...]]:
    found = loader.query(
        f"select id, number, text, nested, _other_fields from raw.{TABLE.name} order by _row_number"
    )
    return [(*row[:4], json.loads(row[4]) if row[4] else {}) for row in found]


def expected_row(record: dict[str, Any]) -> tuple[Any, ...]:
    nested = record.get("nested")
    if nested is not None:
        parts = nested.get("b")
        nested = {"a": nested.get("a"), "b": parts}
    declared = ("id", "number", "text", "nested")
    rest = {
        name: value for name, value in record.items() if name not in declared and value is not None
    }
    assert not any(isinstance(value, float) and math.isnan(value) for value in rest.values())
    return record["id"], record["number"], record.get("text"), nested, rest
