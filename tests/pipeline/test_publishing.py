"""The published copy is whole or untouched, and nobody who reads it is disturbed."""

import hashlib
import json
import shutil
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from orchestration import dbt, publishing
from orchestration.publishing import PublishRefused, previous_path, publish, read_publication
from orchestration.settings import PROJECT_DIR, Settings
from tests.references.warehouses import with_project

PASSED = "('b1', timestamp '2026-01-01 10:00', 'completed', 'build', true, true, 0, 0, null)"
FAILED = (
    "('b2', timestamp '2026-01-02 10:00', 'completed', 'build', true, false, 2, 0, 'test.p.t.1')"
)
PARTIAL = "('b3', timestamp '2026-01-02 10:00', 'completed', 'run', false, true, 0, 0, null)"
KILLED = "('b4', timestamp '2026-01-02 10:00', 'started', 'build', null, null, null, null, null)"


@pytest.fixture
def built(settings: Settings, tmp_path: Path) -> Settings:
    """Return settings of a small project of its own, built once and passed."""
    project = tmp_path / "project"
    (project / "dbt_project").mkdir(parents=True)
    (project / "profiles.yml").touch()
    (project / "dbt_project" / "dbt_project.yml").touch()
    made = with_project(settings, project)
    made.manifest_dir.mkdir(parents=True)
    (made.manifest_dir / "manifest.json").write_text(
        json.dumps(
            {
                "nodes": {
                    "model.p.events": node("marts", "events", occurred_at="When it happened."),
                    "model.p.load_files": node("quality", "load_files"),
                    "model.p.int_events": node("intermediate", "int_events"),
                    "test.p.t.1": {"resource_type": "test"},
                }
            }
        )
    )
    execute(
        made,
        """
        create schema raw;
        create schema intermediate;
        create schema marts;
        create schema quality;
        create table raw.builds (
            invocation_id varchar, recorded_at timestamp, state varchar, command varchar,
            is_whole boolean, passed boolean, failed_count integer, warned_count integer,
            first_failure varchar
        );
        create table raw.load_files (loaded_at timestamp, status varchar);
        insert into raw.load_files values
            ('2025-12-31 08:00', 'loaded'), ('2025-12-31 09:00', 'refused'),
            ('2027-01-01', 'loaded');
        create table intermediate.int_events as
            select 100000 - number as id, timestamp '2025-12-01' as occurred_at
            from range(100000) as numbers (number);
        create view marts.events as select * from intermediate.int_events;
        create view quality.load_files as select * from raw.load_files;
        """,
    )
    record(made, PASSED)
    return made


def node(schema: str, name: str, **columns: str) -> dict:
    return {
        "resource_type": "model",
        "schema": schema,
        "alias": name,
        "description": f"One row per row of {name}, it's said.",
        "columns": {c: {"name": c, "description": d} for c, d in columns.items()},
        "config": {"materialized": "view"},
    }


def execute(settings: Settings, sql: str) -> None:
    with duckdb.connect(str(settings.warehouse_path)) as connection:
        connection.execute(sql)


def record(settings: Settings, build: str) -> None:
    execute(settings, f"insert into raw.builds values {build}")


def query(path: Path, sql: str) -> list[tuple]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_copy_holds_the_marts_and_nothing_behind_them(built):
    publication = publish(built)
    tables = query(
        built.published_path,
        "select schema_name, table_name, estimated_size from duckdb_tables() order by all",
    )
    assert [table[:2] for table in tables] == [
        ("main", "published"),
        ("marts", "events"),
        ("quality", "load_files"),
    ]
    assert publication.rows("events") == 100_000
    assert publication.build_id == "b1"
    assert str(publication.loaded_through_at) == "2025-12-31 08:00:00"
    assert str(publication.data_through_at) == "2025-12-01 00:00:00"
    assert publication == read_publication(built.published_path)


def test_a_mart_is_found_under_the_name_of_its_schema(built):
    publish(built)
    assert query(built.published_path, "select count(*) from marts.events") == [(100_000,)]


def test_rows_keep_the_order_that_the_warehouse_gives_them(built):
    publish(built)
    misplaced = """
        select count(*) from (select id, row_number() over () as place from marts.events)
        where id + place != 100001
    """
    assert query(built.published_path, misplaced) == [(0,)]


def test_descriptions_travel_with_the_tables(built):
    publish(built)
    assert query(
        built.published_path,
        "select comment from duckdb_tables() where table_name = 'events'",
    ) == [("One row per row of events, it's said.",)]
    assert query(
        built.published_path,
        "select comment from duckdb_columns() where column_name = 'occurred_at'",
    ) == [("When it happened.",)]


def test_the_copy_is_written_for_the_tools_of_today(built):
    publish(built)
    tags = query(
        built.published_path,
        "select tags from duckdb_databases() where database_name = 'clickstream'",
    )
    assert tags[0][0]["storage_version"].startswith("v1.4.0")


def test_the_copy_is_read_only_and_its_checksum_lies_beside_it(built):
    publish(built)
    path = built.published_path
    assert stat.S_IMODE(path.stat().st_mode) == 0o440
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    checksum = path.with_name("clickstream.duckdb.sha256").read_text()
    assert checksum == f"{digest}  clickstream.duckdb\n"


def test_a_reader_with_the_old_copy_open_keeps_reading_it(built):
    publish(built)
    with duckdb.connect(str(built.published_path), read_only=True) as reader:
        execute(built, "delete from intermediate.int_events where id > 10")
        publish(built)
        assert reader.execute("select count(*) from marts.events").fetchall() == [(100_000,)]
    assert query(built.published_path, "select count(*) from marts.events") == [(10,)]


READER = """
import sys, duckdb
seen, reads = [], 0
print("reading", flush=True)
while True:
    with duckdb.connect(sys.argv[1], read_only=True) as connection:
        sql = "select (select count(*) from marts.events), max(published_at) from published"
        rows, published_at = connection.execute(sql).fetchall()[0]
    reads += 1
    assert rows == 100_000, rows
    assert not seen or seen[-1] <= published_at, "went back"
    if not seen or seen[-1] != published_at:
        seen.append(published_at)
        print(len(seen), flush=True)
"""


def test_whoever_connects_while_copies_are_swapped_finds_a_whole_one_each_time(built):
    publish(built)
    command = [sys.executable, "-c", READER, str(built.published_path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdout.readline() == "reading\n"
        for _ in range(12):
            publish(built)
        assert reader.poll() is None, reader.stderr.read()
        reader.kill()
        different_copies_seen = len(reader.stdout.readlines())
    assert different_copies_seen > 3


def test_the_finished_file_itself_is_moved_into_place(built, monkeypatch):
    finished = []
    swap = publishing._swap

    def watched_swap(copy_path: Path, target: Path) -> None:
        finished.append(copy_path.stat().st_ino)
        swap(copy_path, target)

    monkeypatch.setattr(publishing, "_swap", watched_swap)
    publish(built)
    assert built.published_path.stat().st_ino == finished[0]


def test_the_copy_before_it_is_kept_for_going_back(built):
    publish(built)
    assert not previous_path(built.published_path).exists()
    execute(built, "delete from intermediate.int_events where id > 10")
    publish(built)
    kept = previous_path(built.published_path)
    assert query(kept, "select count(*) from marts.events") == [(100_000,)]


@pytest.mark.parametrize(
    ("build", "why"),
    [
        (FAILED, "failed at test.p.t.1 and 1 more"),
        (PARTIAL, "left out models or tests"),
        (KILLED, "did not end"),
    ],
)
def test_what_was_not_built_whole_and_passed_is_not_published(built, build, why):
    publish(built)
    before = built.published_path.read_bytes()
    execute(built, "delete from intermediate.int_events")
    record(built, build)
    with pytest.raises(PublishRefused, match=f"{why}.*run: clickstream build"):
        publish(built)
    assert built.published_path.read_bytes() == before


def test_a_warehouse_that_was_never_built_is_not_published(built):
    execute(built, "delete from raw.builds")
    with pytest.raises(PublishRefused, match="never built; run: clickstream build"):
        publish(built)
    assert not built.published_path.exists()


def test_a_publication_that_breaks_off_leaves_the_old_copy_and_no_litter(built, monkeypatch):
    publish(built)
    before = built.published_path.read_bytes()
    litter_free = names_in(built.published_path.parent)
    execute(built, "drop view quality.load_files")
    with pytest.raises(PublishRefused, match="load_files cannot be read"):
        publish(built)
    assert built.published_path.read_bytes() == before
    assert names_in(built.published_path.parent) == litter_free


@pytest.mark.parametrize("step", ["_write_copy", "_sync", "_sha256"])
def test_no_moment_of_a_publication_can_harm_the_old_copy(built, monkeypatch, step):
    publish(built)
    before = built.published_path.read_bytes()

    def break_off(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(publishing, step, break_off)
    with pytest.raises(OSError, match="no space left"):
        publish(built)
    assert built.published_path.read_bytes() == before


def test_what_a_killed_publication_left_is_removed(built):
    folder = built.published_path.parent
    for stray in (".clickstream.duckdb.4711.tmp", ".clickstream.duckdb.4711.tmp.wal"):
        (folder / stray).touch()
    (folder / "clickstream.duckdb.wal").write_bytes(b"left by a writer")
    (folder / "notes.txt").touch()
    publish(built)
    assert names_in(folder) == {"clickstream.duckdb", "clickstream.duckdb.sha256", "notes.txt"}


def test_publishing_twice_publishes_the_same(built):
    first = publish(built)
    second = publish(built)
    assert second.tables == first.tables
    assert second.published_at > first.published_at


# ------------------------------------------------------------ the build record, written by dbt


@pytest.fixture(scope="module")
def small_project(tmp_path_factory) -> Path:
    """Return a dbt project of one seed, one model and one test, with the real build record."""
    project = tmp_path_factory.mktemp("project")
    for folder in ("dbt_project/models", "dbt_project/macros", "seeds/definitions", "tests/data"):
        (project / folder).mkdir(parents=True)
    shutil.copy(PROJECT_DIR / "profiles.yml", project)
    shutil.copy(
        PROJECT_DIR / "dbt_project" / "macros" / "record_build.sql",
        project / "dbt_project" / "macros",
    )
    (project / "dbt_project" / "dbt_project.yml").write_text(
        "name: clickstream\n"
        "profile: clickstream\n"
        "seed-paths: [../seeds/definitions]\n"
        "test-paths: [../tests/data]\n"
        'on-run-start: "{{ record_build_started() }}"\n'
        'on-run-end: "{{ record_build(results) }}"\n'
        "seeds: {+fast: false}\n"
    )
    (project / "seeds" / "definitions" / "steps.csv").write_text("step\n1\n2\n")
    (project / "dbt_project" / "models" / "doubled.sql").write_text(
        "select step * 2 as step from {{ ref('steps') }}"
    )
    (project / "tests" / "data" / "assert_small.sql").write_text(
        "select * from {{ ref('doubled') }} where step > {{ var('largest', 4) }}"
    )
    return project


@pytest.mark.parametrize(
    ("arguments", "is_whole", "passed", "first_failure"),
    [
        (["build"], True, True, None),
        (["seed"], False, True, None),
        (["build", "--select", "steps"], False, True, None),
        (["build", "--empty"], False, True, None),
        (["build", "--vars", "largest: 3"], True, False, "test.clickstream.assert_small"),
    ],
)
def test_dbt_records_whether_a_build_was_whole_and_passed(
    settings, small_project, arguments, is_whole, passed, first_failure
):
    settings = with_project(settings, small_project)
    run = dbt.run_dbt(settings, "--quiet", *arguments)
    build = publishing.last_build(settings)
    assert (build.state, build.is_whole, build.passed) == ("completed", is_whole, passed)
    assert build.first_failure == first_failure
    assert run.succeeded == passed


def test_a_question_is_answered_from_the_published_file_and_changes_nothing(built) -> None:
    publish(built)
    answer = publishing.query(built, "select count(*) as n from marts.events where 1 = 2")
    assert "│     0 │" in answer
    for question in ("drop table marts.events", "copy marts.events to 'x.csv'"):
        with pytest.raises(duckdb.Error):
            publishing.query(built, question)


def test_a_question_keeps_within_the_limits_of_the_settings(built) -> None:
    publish(built)
    limited = replace(built, memory_limit="64MB", threads=1)
    limits = publishing.query(
        limited, "select current_setting('memory_limit') as memory, current_setting('threads') as n"
    )
    assert "61.0 MiB" in limits and "│     1 │" in limits


def test_a_question_before_any_publication_says_what_to_do(settings) -> None:
    with pytest.raises(PublishRefused, match="clickstream run"):
        publishing.query(settings, "select 1")
