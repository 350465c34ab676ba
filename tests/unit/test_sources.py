"""sources.yml and the staging twins are read whole, or every problem in them is named."""

from pathlib import Path
from zoneinfo import available_timezones

import duckdb
import pytest

from orchestration import sources
from orchestration.sources import SourcesError, read_raw_tables, read_sources

TWIN = """
sources:
  - name: raw
    schema: raw
    tables:
      - name: shop_events
        config:
          meta:
            loader:
              kind: shop
              mapped: true
              on_redelivery: append
              session_ids_from: tracker
              formats:
                json_lines: {reader: json}
                table: {reader: csv, delimiter: "\\t", quote: ""}
        columns:
          - {name: event_id, data_type: varchar}
          - {name: user, data_type: varchar}
"""


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    return write_twin(tmp_path / "staging", TWIN)


def write_twin(staging: Path, text: str, kind: str = "shop") -> Path:
    (staging / kind).mkdir(parents=True)
    (staging / kind / f"stg_{kind}__events.yml").write_text(text)
    return staging


def write_sources(folder: Path, text: str) -> Path:
    path = folder / "sources.yml"
    path.write_text(text)
    return path


def problems_of(path: Path, staging: Path) -> str:
    with pytest.raises(SourcesError) as error:
        read_sources(path, read_raw_tables(staging))
    return str(error.value)


def test_a_twin_becomes_a_raw_table(staging: Path) -> None:
    table = read_raw_tables(staging)["shop"]
    assert (table.name, table.mapped, table.session_ids_from) == ("shop_events", True, "tracker")
    assert [column.name for column in table.columns] == ["event_id", "user"]
    assert table.format_named("table").options == {"delimiter": "\t", "quote": ""}


def test_the_projects_own_twins_are_read() -> None:
    own = Path(__file__).resolve().parents[2] / "dbt_project" / "models" / "staging"
    tables = read_raw_tables(own)
    assert len(tables["snowplow"].columns) == 131
    assert tables["ga4"].on_redelivery == "replace"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("reader: json", "reader: orc"), "reader = 'orc'; expected one of json, csv"),
        (("on_redelivery: append", "on_redelivery: never"), "on_redelivery = 'never'"),
        (("mapped: true", "maped: true"), "has loader.maped"),
        (('quote: ""', 'escape: ""'), "formats.table.escape is unknown"),
        (("reader: json", "reader: json, records: 'a[b].c'"), "records = 'a[b].c'; expected"),
        (("reader: json", "reader: json, only: {type: 5}"), "only = {'type': 5}; expected field"),
        (
            ("reader: json", "reader: json, mapping: {nowhere: id}"),
            "json_lines.mapping maps the unknown column 'nowhere'",
        ),
        (
            ("reader: json", "reader: json, records: 'a[].b', mapping: {user: ^^^.id}"),
            "maps 'user' to '^^^.id', a field of what encloses the record; '^^' is the whole line",
        ),
        (
            ("reader: json", "reader: json, records: a, mapping: {user: ^id}"),
            "maps 'user' to '^id'; expected a field, as in '^.session'",
        ),
        (
            (", data_type: varchar}\n          - {name: user", "}\n          - {name: user"),
            "no data_type",
        ),
    ],
)
def test_a_twin_with_a_mistake_is_refused(
    tmp_path: Path, change: tuple[str, str], told: str
) -> None:
    staging = write_twin(tmp_path / "staging", TWIN.replace(*change))
    with pytest.raises(SourcesError, match="stg_shop__events.yml") as error:
        read_raw_tables(staging)
    assert told in str(error.value)


FURTHER = """
      - name: shop_profiles
        config:
          meta:
            loader:
              kind: shop
              recognised_by: [version]
              path_pattern: "(?P<table_name>[a-z]+)[.]"
              on_redelivery: append
              session_ids_from: tracker
              formats:
                json_lines: {reader: json}
                table: {reader: csv}
        columns:
          - {name: version, data_type: bigint}
          - {name: table_name, data_type: varchar}
"""
TWO_TABLES = TWIN.replace("              mapped: true\n", "") + FURTHER.removeprefix("\n")


def test_a_kind_may_have_a_further_table_for_the_files_it_recognises(tmp_path: Path) -> None:
    table = read_raw_tables(write_twin(tmp_path / "staging", TWO_TABLES))["shop"]
    (further,) = table.further
    assert (table.name, further.name) == ("shop_events", "shop_profiles")
    assert further.recognised_by == {"version"}
    assert [column.name for column in further.columns] == ["version"]
    assert further.values_in("exports/2026/users.csv") == {"table_name": "users"}
    assert further.values_in("exports/2026/USERS") == {"table_name": None}
    assert table.values_in("exports/2026/users.csv") == {}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("recognised_by: [version]", "recognised_by: [age]"), "recognised_by 'age'; expected one"),
        (("recognised_by: [version]", "recognised_by: version"), "expected a list of fields"),
        (("recognised_by: [version]", "recognised_by: [table_name]"), "recognised_by 'table_name'"),
        (("recognised_by: [version]", "recognised_by: []"), "that takes every file; expected load"),
        (("table: {reader: csv}", "other: {reader: csv}"), "expected those of 'shop_events'"),
        (("session_ids_from: tracker\n", "session_ids_from: tracker\n              mapped: true\n"),
         "is mapped and has a further table"),
        (("(?P<table_name>[a-z]+)", "[a-z]+"), "path_pattern has no or unnamed groups"),
        (("(?P<table_name>", "(?P<name>"), "path_pattern names 'name', which is no column"),
        (("(?P<table_name>", "(?P<version>"), "names 'version', a column of type bigint"),
        (("(?P<table_name>", "(?P<table_name"), "which is no regular expression"),
    ],
)  # fmt: skip
def test_a_further_table_with_a_mistake_is_refused(
    tmp_path: Path, change: tuple[str, str], told: str
) -> None:
    staging = write_twin(tmp_path / "staging", TWO_TABLES.replace(*change))
    with pytest.raises(SourcesError) as error:
        read_raw_tables(staging)
    assert told in str(error.value)


def test_a_kind_needs_one_table_that_takes_every_file(tmp_path: Path) -> None:
    only = TWIN.replace("mapped: true", "recognised_by: [event_id]")
    with pytest.raises(SourcesError, match="has only tables with loader.recognised_by"):
        read_raw_tables(write_twin(tmp_path / "staging", only))


def test_a_pattern_may_only_name_columns(tmp_path: Path) -> None:
    lines = "json_lines: {reader: lines, pattern: '^(?P<event_id>a)(?P<other>b)(c)$'}"
    staging = write_twin(tmp_path / "staging", TWIN.replace("json_lines: {reader: json}", lines))
    with pytest.raises(SourcesError) as error:
        read_raw_tables(staging)
    assert "names 'other', which is no column" in str(error.value)
    assert "unnamed groups" in str(error.value)


def test_a_source_takes_what_it_does_not_say_from_its_kind(tmp_path: Path, staging: Path) -> None:
    path = write_sources(tmp_path, "sources: [{name: a, kind: shop, path: exports/a}]")
    (source,) = read_sources(path, read_raw_tables(staging))
    assert (source.session_ids_from, source.on_redelivery) == ("tracker", "append")
    assert (source.timezone, source.user_namespace, source.mapping) == ("UTC", "default", {})
    assert source.absolute_path == str(tmp_path / "exports/a")


def test_a_source_says_everything_itself(tmp_path: Path, staging: Path) -> None:
    path = write_sources(
        tmp_path,
        """
        sources:
          - name: a
            kind: shop
            path: /exports/*.jsonl
            timezone: Europe/Berlin
            user_namespace: group
            session_ids_from: inactivity
            on_redelivery: replace
            format: json_lines
            mapping: {event_id: ^.id, user: =nobody}
            records: events
            own_hosts: [shop.example]
            settle_seconds: 0.5
            freshness_hours: 24
        """,
    )
    (source,) = read_sources(path, read_raw_tables(staging))
    assert source.absolute_path == "/exports/*.jsonl"
    assert source.mapping == {"event_id": "^.id", "user": "=nobody"}
    assert (source.own_hosts, source.settle_seconds, source.freshness_hours) == (
        ("shop.example",),
        0.5,
        24,
    )


def test_every_problem_is_told_at_once(tmp_path: Path, staging: Path) -> None:
    path = write_sources(
        tmp_path,
        """
        sources:
          - {name: a, kind: shop, path: x, timezone: Mars/Base, colour: red}
          - {name: A-b, kind: nothing, path: x}
          - {name: c, kind: shop}
          - {name: d, kind: shop, path: x, mapping: {nowhere: id, user: ^.id}, format: csv}
          - {name: e, kind: shop, path: x}
          - {name: e, kind: shop, path: y, settle_seconds: -1}
          - just text
          - {name: f, kind: shop, path: x, freshness_hours: 99999999999, settle_seconds: .inf}
          - {name: g, kind: shop, path: x, timezone: localtime}
        """,
    )
    told = problems_of(path, staging)
    for part in (
        "source 'a' has timezone = 'Mars/Base'; expected an IANA time zone",
        "source 'a' has the unknown key 'colour'",
        "has name = 'A-b'; expected a lower-case name",
        "has kind = 'nothing'; expected one of shop",
        "source 'c' has no 'path'",
        "source 'd' maps the unknown column 'nowhere'; expected one of event_id, user",
        "source 'd' maps 'user' to '^.id', a field of what encloses the record",
        "source 'd' has format = 'csv'; the kind 'shop' has json_lines, table",
        "settle_seconds = -1",
        "number 7 is 'just text'",
        "source 'f' has freshness_hours = 99999999999; expected a whole number of hours, from 1 to",
        "source 'f' has settle_seconds = inf; expected a number of seconds, from 0 to",
        "source 'g' has timezone = 'localtime'; expected an IANA time zone",
    ):
        assert part in told
    assert all(line.startswith(str(path)) for line in told.splitlines())


def test_every_zone_that_is_taken_is_known_to_the_warehouse() -> None:
    known = {zone for (zone,) in duckdb.sql("select name from pg_timezone_names()").fetchall()}
    taken = {zone for zone in available_timezones() if sources._is_zone(zone)}
    assert "Europe/Berlin" in taken
    assert taken - known == set()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sources: []\nsources: []\n", "the key 'sources' is given twice"),
        (
            "sources:\n  - name: e\n    kind: shop\n    path: x\n    path: y\n",
            "line 5: the key 'path' is given twice",
        ),
        ("sources:\n  - {name: e, mapping: {user: a, user: b}}\n", "the key 'user' is given twice"),
    ],
)
def test_a_key_may_not_be_given_twice(tmp_path: Path, staging: Path, text: str, told: str) -> None:
    assert told in problems_of(write_sources(tmp_path, text), staging)


def test_a_source_may_take_keys_of_another_and_replace_them(tmp_path: Path, staging: Path) -> None:
    text = """
        sources:
          - &shop {name: a, kind: shop, path: x, mapping: &own {user: id}}
          - &other {<<: *shop, name: b, mapping: {<<: *own, event_id: id, user: nobody}}
          - {<<: *other, name: c}
    """
    a, b, c = read_sources(write_sources(tmp_path, text), read_raw_tables(staging))
    assert (a.path, b.path, b.mapping) == ("x", "x", {"user": "nobody", "event_id": "id"})
    assert (c.name, c.mapping) == ("c", b.mapping)


def test_two_sources_may_not_share_a_name(tmp_path: Path, staging: Path) -> None:
    path = write_sources(
        tmp_path,
        "sources: [{name: e, kind: shop, path: x}, {name: e, kind: shop, path: y}]",
    )
    assert "source 'e' is configured twice" in problems_of(path, staging)


def test_a_kind_with_its_own_columns_takes_no_mapping(tmp_path: Path) -> None:
    staging = write_twin(tmp_path / "staging", TWIN.replace("mapped: true", "mapped: false"))
    path = write_sources(
        tmp_path, "sources: [{name: e, kind: shop, path: x, mapping: {user: id}, records: r}]"
    )
    told = problems_of(path, staging)
    assert "has 'mapping', but the kind 'shop' takes none" in told
    assert "has 'records', but the kind 'shop' takes none" in told


def test_records_inside_lines_are_text_or_json(tmp_path: Path) -> None:
    changed = TWIN.replace("reader: json", "reader: json, records: a").replace(
        "user, data_type: varchar", "user, data_type: bigint"
    )
    staging = write_twin(tmp_path / "staging", changed)
    with pytest.raises(SourcesError, match="user is of another type; expected varchar or json"):
        read_raw_tables(staging)


def test_only_json_has_records_inside_lines(tmp_path: Path, staging: Path) -> None:
    path = write_sources(
        tmp_path,
        "sources: [{name: e, kind: shop, path: x, format: table, records: r, only: {t: x}}]",
    )
    told = problems_of(path, staging)
    assert "source 'e' has 'records', which its format 'table' cannot have" in told
    assert "source 'e' has 'only', which its format 'table' cannot have" in told


def test_a_format_may_say_what_encloses_its_records(tmp_path: Path) -> None:
    changed = TWIN.replace("reader: json", "reader: json, records: a")
    staging = write_twin(tmp_path / "staging", changed)
    entry = "sources: [{name: e, kind: shop, path: x, mapping: {user: ^.id}, format: json_lines}]"
    (source,) = read_sources(write_sources(tmp_path, entry), read_raw_tables(staging))
    assert source.mapping == {"user": "^.id"}


@pytest.mark.parametrize("text", ["", "sources: {}", "- a", "sources: [", "other: 1"])
def test_a_file_that_lists_no_sources_is_refused(tmp_path: Path, staging: Path, text: str) -> None:
    assert "sources.yml" in problems_of(write_sources(tmp_path, text), staging)


def test_a_missing_file_is_named(tmp_path: Path, staging: Path) -> None:
    assert "cannot be read" in problems_of(tmp_path / "none.yml", staging)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("s3://key:secret@bucket/x", "'s3://…@bucket/x' with a password; expected none"),
        ("sftp://me:secret@host:22/x", "'sftp://…@host:22/x' with a password"),
        ("s3://key:sec/ret@bucket/x", "'s3://…@bucket/x' with a password"),
        ("sftp://me:a@secret@host/x", "'sftp://…@host/x' with a password"),
        ("https://host:80/x@1?sv=1&sig=a%2Fb", "'https://host:80/x@1?sv=1&…' with a password"),
        ("https://host/x?X-Amz-Signature=ab", "'https://host/x?…' with a password"),
        ("zip://*.csv::s3://bucket/x.zip", "expected a folder, a glob, or one URL"),
    ],
)
def test_a_url_brings_no_credentials_and_no_chain(
    tmp_path: Path, staging: Path, path: str, told: str
) -> None:
    text = f"sources: [{{name: a, kind: shop, path: '{path}'}}]"
    problems = problems_of(write_sources(tmp_path, text), staging)
    assert told in problems
    assert "secret" not in problems


@pytest.mark.parametrize(
    "path",
    [
        "s3://bucket/day=*/",
        "gs://bucket",
        "abfs://container@account.dfs.core.windows.net/x",
        "hdfs://host:8020/x",
        "s3://bucket/year=202?/tenant_key=5/",
    ],
)
def test_a_url_is_taken_as_it_is(tmp_path: Path, staging: Path, path: str) -> None:
    text = f"sources: [{{name: a, kind: shop, path: '{path}'}}]"
    (source,) = read_sources(write_sources(tmp_path, text), read_raw_tables(staging))
    assert (source.is_in_store, source.absolute_path) == (True, path)
