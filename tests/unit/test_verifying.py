"""What a verification of increments takes, in which order it builds it, and what it finds."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import duckdb
import pytest
from click.testing import CliRunner, Result

from orchestration import cli, dbt, operations
from orchestration.settings import Settings, read_settings
from tests.unit.test_comparing import write_manifest

ANEW = "create or replace table marts.events as select event_id, occurred_at from records"
# What many a project does: only records later than all before.
BY_TIME = """
    insert into marts.events select event_id, occurred_at from records
    where occurred_at > (select coalesce(max(occurred_at), '') from marts.events)
"""
BY_ID = """
    insert into marts.events select event_id, occurred_at from records
    where event_id not in (select event_id from marts.events)
"""


@dataclass
class Builder:
    """Builds one table in place of dbt, and remembers which records were there each time."""

    increment: str = BY_ID
    builds: list[list[tuple[str, int]]] = field(default_factory=list)

    def build(self, settings: Settings, *arguments: str, **_: object) -> dbt.DbtRun:
        with duckdb.connect(str(settings.warehouse_path)) as connection:
            connection.execute("create schema if not exists marts")
            connection.execute("create temp view records as from raw.generic_events")
            self.builds.append(
                connection.execute(
                    "select path, _row_number from raw.generic_events "
                    "inner join raw.load_files on _file_id = file_id order by all"
                ).fetchall()
            )
            is_first = len(self.builds) == 1
            connection.execute(ANEW if is_first or arguments else self.increment)
        write_manifest(settings.dbt_run_dir, [("marts", "events", "incremental", None)])
        return dbt.DbtRun(0, 1.0, ())

    @property
    def added(self) -> list[list[tuple[str, int]]]:
        """Return what came with each build."""
        before = [[], *self.builds]
        return [
            [row for row in rows if row not in known]
            for known, rows in zip(before, self.builds, strict=False)
        ]


@pytest.fixture
def builder(monkeypatch) -> Builder:
    made = Builder()
    monkeypatch.setattr(dbt, "build_models", made.build)
    return made


@pytest.fixture
def loaded(tmp_path, monkeypatch) -> Iterator[Settings]:
    """Return settings with three files of one source loaded, and of another one."""
    monkeypatch.setenv("CLICKSTREAM_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("CLICKSTREAM_SOURCES", str(tmp_path / "sources.yml"))
    (tmp_path / "sources.yml").write_text(
        "sources: [{name: shop, kind: generic, path: shop}, "
        "{name: blog, kind: generic, path: blog}]\n"
    )
    for source, days, count in (("shop", 3, 4), ("blog", 1, 6)):
        (tmp_path / source).mkdir()
        for day in range(1, days + 1):
            path = tmp_path / source / f"{day}.jsonl"
            path.write_text("".join(record(source, day, n) for n in range(count)))
    settings = read_settings()
    operations.prepare(settings)
    operations.load(settings)
    return settings


def record(source: str, day: int, n: int) -> str:
    at = datetime(2026, 1, day) + timedelta(minutes=n)
    return json.dumps({"event_id": f"{source}{day}.{n}", "occurred_at": at.isoformat()}) + "\n"


def verify(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, ["verify", *arguments])


def test_the_newest_files_come_first_and_a_single_one_in_parts(loaded, builder):
    result = verify()
    assert result.exit_code == 0, result.output
    assert "took 18 records of the newest files (4 files, 2 sources;" in result.output
    assert "built increment 1 of 3: 6 records" in result.output
    assert "0 tables differ" in result.output
    shop = [(f"shop/{day}.jsonl", n) for day in (3, 2, 1) for n in (1, 2, 3, 4)]
    blog = [("blog/1.jsonl", n) for n in (5, 6, 3, 4, 1, 2)]
    assert builder.added == [
        *(sorted(shop[4 * i : 4 * i + 4] + blog[2 * i : 2 * i + 2]) for i in range(3)),
        [],
    ]


def test_of_large_files_the_first_records_are_taken_until_there_are_enough(loaded, builder):
    verify("--records", "6")
    assert builder.builds[-1] == [
        *(("blog/1.jsonl", n) for n in (1, 2, 3)),
        *((f"shop/{day}.jsonl", 1) for day in (1, 2, 3)),
    ]


def test_what_a_small_source_leaves_is_for_the_large_one(loaded, builder):
    verify("--records", "17")
    sources = [path.partition("/")[0] for path, _ in builder.builds[-1]]
    assert (sources.count("blog"), sources.count("shop")) == (6, 12)


def test_increments_that_lose_what_comes_late_are_found(loaded, builder):
    builder.increment = BY_TIME
    result = verify()
    assert result.exit_code == 1
    assert "marts.events    18      12\n" in result.output
    assert "the row event_id = blog1.0 (occurred_at = 2026-01-01T00:00:00) is there only anew" in (
        result.output
    )
    assert "give something else than a build anew in marts.events" in result.output


def test_rejected_records_come_with_the_others(loaded, builder, monkeypatch):
    (loaded.sources_path.parent / "blog" / "2.jsonl").write_text(record("blog", 2, 0) + "broken\n")
    operations.load(loaded)
    seen = []

    def build(settings: Settings, *arguments: str, **_: object) -> dbt.DbtRun:
        with duckdb.connect(str(settings.warehouse_path)) as connection:
            seen.append(connection.execute("select reason from raw.rejected_records").fetchall())
        return builder.build(settings, *arguments)

    monkeypatch.setattr(dbt, "build_models", build)
    assert verify().exit_code == 0
    assert seen[-1] == [("invalid_json",)]


def test_the_warehouse_stays_as_it_is_and_nothing_is_left(loaded, builder):
    before = loaded.warehouse_path.read_bytes()
    # As a run leaves it that was killed.
    (loaded.data_dir / "verify" / "sample").mkdir(parents=True)
    assert verify().exit_code == 0
    assert not (loaded.data_dir / "verify").exists()
    assert loaded.warehouse_path.read_bytes() == before


def test_a_build_that_fails_is_told_and_nothing_is_left(loaded, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise dbt.DbtError("the models could not be built: no space")

    monkeypatch.setattr(dbt, "build_models", fail)
    result = verify()
    assert (result.exit_code, "no space" in result.output) == (1, True)
    assert not (loaded.data_dir / "verify").exists()


def test_a_second_verification_is_turned_away(loaded, builder, monkeypatch):
    again = []

    def build(settings: Settings, *arguments: str, **options: object) -> dbt.DbtRun:
        again.append(verify())
        return builder.build(settings, *arguments, **options)

    monkeypatch.setattr(dbt, "build_models", build)
    assert verify().exit_code == 0
    assert {result.exit_code for result in again} == {1}
    assert "(clickstream verify)" in again[0].output


def test_where_nothing_is_loaded_there_is_nothing_to_verify(settings, tmp_path, monkeypatch):
    monkeypatch.setenv("CLICKSTREAM_DATA_DIR", str(settings.data_dir))
    (tmp_path / "sources.yml").write_text("sources: [{name: s, kind: generic, path: none}]\n")
    monkeypatch.setenv("CLICKSTREAM_SOURCES", str(tmp_path / "sources.yml"))
    result = verify()
    assert (result.exit_code, "does not exist; run: clickstream load" in result.output) == (1, True)
    operations.prepare(read_settings())
    assert "no record is loaded yet" in verify().output
