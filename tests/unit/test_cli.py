"""The terminal commands: what they say, and how they end."""

import os
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from orchestration import cli, dbt, locking, operations, progress, publishing, reporting, status
from orchestration.loading import Progress
from orchestration.loading.formats import json_verdict
from orchestration.settings import PROJECT_DIR, Settings
from orchestration.status import Totals
from tests.references.locked_folders import lock_folders

NO_SOURCES = "sources:\n  - {name: shop, kind: generic, path: exports}\n"


@pytest.fixture
def invoke(settings: Settings, tmp_path, monkeypatch):
    """Return a function that runs `clickstream …` on an empty data folder and one source."""
    (tmp_path / "exports").mkdir()
    (tmp_path / "sources.yml").write_text(NO_SOURCES)
    monkeypatch.setenv("CLICKSTREAM_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("CLICKSTREAM_SOURCES", str(tmp_path / "sources.yml"))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, **extra: Any) -> Result:
        before = os.umask(0o022)
        try:
            return CliRunner().invoke(cli.main, arguments, **extra)
        finally:
            os.umask(before)

    return run


def test_every_command_is_explained(invoke):
    result = invoke("--help")
    assert result.exit_code == 0
    assert "\n  verify " in result.output
    assert [name for name, each in cli.main.commands.items() if not each.help] == []


def test_prepare_creates_the_warehouse_for_dbt_and_for_its_owner_only(invoke, settings):
    result = invoke("prepare")
    assert result.exit_code == 0, result.output
    assert settings.warehouse_path.stat().st_mode & 0o077 == 0


def test_load_says_what_each_source_gave(invoke, tmp_path):
    (tmp_path / "exports" / "a.jsonl").write_text('{"event_id": "1"}\n{"event_id"\n')
    result = invoke("load")
    assert result.exit_code == 0, result.output
    assert "shop                 1 file, 2 records, 1 rejected (" in result.output
    again = invoke("load", "shop")
    assert "shop                 nothing new (" in again.output


def test_load_names_mapped_fields_that_no_record_has(invoke, tmp_path):
    mapped = "mapping: {event_name: =click, event_id: id, occurred_at: tiem}, path"
    (tmp_path / "sources.yml").write_text(NO_SOURCES.replace("path", mapped))
    (tmp_path / "exports" / "a.jsonl").write_text('{"id": 1, "time": 2}\n{"time": 3}\n')
    result = invoke("load")
    assert result.exit_code == 0, result.output
    assert "is it spelt right in sources.yml? occurred_at: tiem\n" in result.output
    (tmp_path / "exports" / "b.jsonl").write_text('{"id": 2, "tiem": 2}\n')
    assert "spelt" not in invoke("load").output


def test_another_kind_is_named_without_the_formats_and_columns_it_has(invoke, tmp_path):
    (tmp_path / "exports" / "a.jsonl").write_text('{"event_id": 1}\n')
    invoke("load")
    (tmp_path / "sources.yml").write_text(NO_SOURCES.replace("generic", "mixpanel"))
    assert "1 file of shop was read with other kind;" in invoke("load").output


def test_load_says_that_a_folder_is_empty(invoke):
    assert "shop                 no file found under exports" in invoke("load").output


def test_a_refused_file_is_named_with_its_reason_and_the_load_goes_on(invoke, tmp_path):
    (tmp_path / "exports" / "a.jsonl.gz").write_bytes(b"\x1f\x8b\x08\x00broken")
    (tmp_path / "exports" / "b.jsonl").write_text('{"event_id": "1"}\n')
    result = invoke("load")
    assert result.exit_code == 0
    assert "    refused: exports/a.jsonl.gz: gzip_" in result.output
    (tmp_path / "exports" / "c.jsonl.gz").write_bytes(b"\x1f\x8b\x08\x00broken")
    assert "shop                 nothing loaded (" in invoke("load").output
    assert "1 file, 1 record (" in result.output


def test_a_store_out_of_reach_is_told_and_fails_the_load_after_all_else(invoke, tmp_path):
    unreachable = "  - {name: far, kind: generic, path: 'nosuch://bucket/x'}\n"
    (tmp_path / "sources.yml").write_text(NO_SOURCES.replace("\n", "\n" + unreachable, 1))
    (tmp_path / "exports" / "a.jsonl").write_text('{"event_id": "1"}\n')
    result = invoke("load")
    assert result.exit_code == 1
    assert "far                  nothing loaded (" in result.output
    assert "\n    nosuch://bucket/x cannot be read: " in result.output
    assert "shop                 1 file, 1 record (" in result.output
    assert result.output.splitlines()[-1].startswith("Error: far: nosuch://bucket/x cannot be")


def test_a_folder_that_cannot_be_listed_fails_the_load_after_all_else(
    invoke, tmp_path, monkeypatch
):
    more = "  - {name: blog, kind: generic, path: more}\n"
    (tmp_path / "sources.yml").write_text(NO_SOURCES + more)
    (tmp_path / "exports" / "locked").mkdir()
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.jsonl").write_text('{"event_id": "1"}\n')
    lock_folders(monkeypatch, "locked")
    result = invoke("load")
    assert result.exit_code == 1
    assert "blog                 1 file, 1 record (" in result.output
    assert result.output.splitlines()[-1].startswith(
        "Error: shop: exports/locked cannot be read: Permission denied; let the account"
    )


def test_a_file_over_the_limit_is_red_and_fails_the_load_after_all_else(invoke, tmp_path):
    (tmp_path / "exports" / "a.jsonl").write_text("broken\n" * 30)
    (tmp_path / "exports" / "b.jsonl").write_text('{"event_id": "1"}\n')
    for still in ("", "still "):
        result = invoke("load", color=True)
        assert result.exit_code == 1
        assert f"\x1b[31m    {still}refused: exports/a.jsonl: too_many_rejections: 30 of 30" in (
            result.output
        )
        assert "Error: too many records are rejected of 1 file of shop, so nothing" in result.output
    (tmp_path / "sources.yml").write_text(NO_SOURCES.replace("path", "max_rejected_share: 1, path"))
    assert invoke("load").exit_code == 0


def test_run_publishes_what_is_sound_and_then_fails_over_the_limit(invoke, tmp_path, monkeypatch):
    (tmp_path / "exports" / "a.jsonl").write_text("broken\n" * 30)
    done = []
    built = dbt.DbtRun(0, 0.0, ())
    copy = publishing.Publication(tmp_path / "x", None, "b", None, None, (), 0)
    totals = Totals(0, 0, 0, 0, 0, 0, 0)
    monkeypatch.setattr(operations, "build", lambda *_, **__: done.append("built") or built)
    monkeypatch.setattr(publishing, "publish", lambda _: done.append("published") or copy)
    monkeypatch.setattr(cli, "read_totals", lambda _: totals)
    result = invoke("run")
    assert (result.exit_code, done) == (1, ["built", "published"])
    assert "Error: too many records are rejected of 1 file of shop" in result.output


def test_load_and_status_name_the_files_that_other_options_read(invoke, tmp_path):
    (tmp_path / "exports" / "a.jsonl").write_text('{"id": "1"}\n')
    invoke("load")
    mapped = NO_SOURCES.replace("path", "mapping: {event_id: id}, path")
    (tmp_path / "sources.yml").write_text(mapped)
    words = (
        "1 file of shop was read with other mapping; to read anew: clickstream load --again shop"
    )
    assert f"    {words}\n" in invoke("load").output
    assert f"\n{words}\n" in invoke("status").output
    again = invoke("load", "--again", "shop")
    assert "shop                 1 file, 1 record (" in again.output
    assert words not in again.output + invoke("load").output + invoke("status").output


def test_replay_says_what_came_of_each_rejected_record(invoke, tmp_path):
    (tmp_path / "exports" / "a.csv").write_text("event_id,n\n1,2,3\n4,5,6\n")
    assert "shop                 nothing rejected (" in invoke("replay").output
    invoke("load")
    result = invoke("replay", "shop", "--reason", "wrong_column_count")
    assert result.exit_code == 0
    assert "0 of 2 rejected records loaded now, 2 still rejected (" in result.output
    assert "shop                 nothing rejected (" in invoke("replay", "--reason=too_deep").output
    (tmp_path / "sources.yml").write_text(NO_SOURCES.replace("path", "records: all, path"))
    result = invoke("replay")
    assert "    cannot be replayed: 2 records of exports/a.csv (row 1, 2): today" in result.output


def test_replay_loads_what_is_sound_now_and_says_what_to_do_next(invoke, tmp_path, monkeypatch):
    (tmp_path / "exports" / "a.jsonl").write_text('{"event_id": "1", "event_id": "2"}\n')
    invoke("load")
    monkeypatch.setattr(json_verdict, "verdict_on", lambda *_, **__: None)
    result = invoke("replay")
    assert "1 of 1 rejected record loaded now, 0 still rejected (" in result.output
    assert "clickstream build makes events of what is loaded now" in result.output


def test_a_replay_that_is_undone_fails(invoke, tmp_path):
    (tmp_path / "exports" / "a.csv").write_text("event_id,n\n1,2,3\n")
    invoke("load")
    (tmp_path / "sources.yml").write_text(
        NO_SOURCES.replace("path", "mapping: {event_id: x}, path")
    )
    result = invoke("replay")
    assert result.exit_code == 1
    assert "    failed: exports/a.csv: missing_required_column: its header is" in result.output
    assert "the replay of exports/a.csv was undone" in result.output


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (["publish"], 1, "was never built; run: clickstream build"),
        (["load", "shoop"], 2, "no source is called shoop; expected any of shop"),
        (["load", "--quickly"], 2, "No such option"),
        (["load", "--again"], 2, "--again needs the sources to read anew"),
        (["replay", "--reason", "ugly"], 2, "the loader rejects nothing as ugly; expected any of"),
        (["sing"], 2, "No such command"),
    ],
)
def test_what_goes_wrong_is_one_line_and_an_exit_code(invoke, arguments, exit_code, words):
    result = invoke(*arguments)
    assert result.exit_code == exit_code
    assert words in result.output
    assert "Traceback" not in result.output


def test_a_mistake_in_the_configuration_is_exit_code_2(invoke, tmp_path, monkeypatch):
    (tmp_path / "sources.yml").write_text("sources:\n  - {name: shop, kind: smoke, path: x}\n")
    result = invoke("load")
    assert result.exit_code == 2
    assert "kind = 'smoke'; expected one of" in result.output
    monkeypatch.setenv("CLICKSTREAM_THREADS", "many")
    assert invoke("status").exit_code == 2


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("earliest_date: 2024-13-45", "is not valid YAML: month must be in 1..12"),
        (r'path: "x\0y"', "path = "),
    ],
)
def test_what_no_calendar_and_no_disk_has_is_a_mistake_too(invoke, tmp_path, line, words):
    given = {"name": "shop", "kind": "generic", "path": "x"}
    lines = [line, *(f"{key}: {value}" for key, value in given.items() if key not in line)]
    (tmp_path / "sources.yml").write_text(f"sources:\n  - {{{', '.join(lines)}}}\n")
    result = invoke("load")
    assert result.exit_code == 2
    assert words in result.output


def test_a_place_that_does_not_exist_is_a_mistake_too(invoke, monkeypatch):
    monkeypatch.setenv("CLICKSTREAM_DATA_DIR", "~nobody-has-this-name/data")
    result = invoke("status")
    assert result.exit_code == 2
    assert "CLICKSTREAM_DATA_DIR is '~nobody" in result.output


def test_a_name_that_the_terminal_cannot_show_does_not_end_a_load(settings, tmp_path):
    (tmp_path / "exports" / "日本").mkdir(parents=True)
    (tmp_path / "exports" / "日本" / "a.jsonl").write_text("<html>")
    (tmp_path / "sources.yml").write_text("sources: [{name: shop, kind: generic, path: exports}]\n")
    result = subprocess.run(
        [sys.executable, "-c", "from orchestration.cli import main; main()", "load"],
        env={
            **os.environ,
            **settings.environment,
            "CLICKSTREAM_SOURCES": str(tmp_path / "sources.yml"),
            "PYTHONIOENCODING": "latin-1",
            "PYTHONPATH": str(PROJECT_DIR),
        },
        capture_output=True,
        check=False,
    )
    assert b"Traceback" not in result.stderr
    assert rb"\u65e5\u672c/a.jsonl" in result.stdout


def test_debug_shows_the_traceback(invoke):
    result = invoke("publish", "--debug")
    assert isinstance(result.exception, publishing.PublishRefused)


def test_a_failed_build_names_what_failed_and_publishes_nothing(invoke, monkeypatch, settings):
    failed = dbt.DbtRun(
        1,
        2.0,
        (
            dbt.NodeResult("model.clickstream.sessions", "skipped"),
            dbt.NodeResult("test.clickstream.unique_x.1", "fail"),
        ),
    )
    monkeypatch.setattr(operations, "build", lambda *_, **__: failed)
    result = invoke("run")
    assert result.exit_code == 1
    assert "the build failed at unique_x; see data/dbt/run/dbt.log" in result.output
    assert not settings.published_path.exists()


def test_status_before_anything_was_done_says_how_to_begin(invoke):
    result = invoke("status")
    assert result.exit_code == 0
    assert "data/warehouse.duckdb does not exist yet; run: clickstream run" in result.output
    assert "published: nothing yet at data/published/clickstream.duckdb" in result.output


def test_status_counts_what_was_loaded(invoke, tmp_path):
    (tmp_path / "exports" / "a.jsonl").write_text('{"event_id": "1"}\n{"event_id"\n')
    invoke("load")
    lines = invoke("status").output.splitlines()
    assert lines[0].split() == [
        "source", "kind", "files", "refused", "read", "loaded", "rejected", "last", "load"
    ]  # fmt: skip
    assert lines[1].split() == ["shop", "generic", "1", "0", "2", "1", "1", "just", "now"]
    assert "last build: none; run: clickstream build" in lines


def test_status_says_nothing_of_a_source_that_is_no_longer_configured(invoke, tmp_path):
    sources = NO_SOURCES.replace("path:", "freshness_hours: 1, path:")
    (tmp_path / "sources.yml").write_text(sources)
    invoke("prepare")
    assert "(stale: expected every 1 h)" in invoke("status").output
    (tmp_path / "sources.yml").write_text(NO_SOURCES.replace("shop", "other"))
    invoke("prepare")
    lines = invoke("status").output.splitlines()
    assert [line.split()[0] for line in lines[:3] if line] == ["source", "other"]


def test_status_waits_for_nobody(invoke, settings):
    invoke("prepare")
    with locking.hold(settings.lock_path, "clickstream build"):
        result = invoke("status")
    assert result.exit_code == 0
    assert f"warehouse busy: PID {os.getpid()} (clickstream build) since" in result.output


def test_whoever_writes_waits_until_status_has_read(invoke, settings, monkeypatch):
    invoke("prepare")
    read = status.read_sources

    def read_sources(connection: Any) -> Any:
        with (
            pytest.raises(locking.WarehouseBusy, match="warehouse busy: it is being read; "),
            locking.hold(settings.lock_path, "clickstream run", wait_seconds=0),
        ):
            pass
        return read(connection)

    monkeypatch.setattr(status, "read_sources", read_sources)
    assert invoke("status").exit_code == 0
    with locking.hold(settings.lock_path, "clickstream run", wait_seconds=0):
        pass


def made(bytes_read: int, seconds: float) -> Progress:
    return Progress("shop", "exports/a.jsonl", 2, 5, 1_200_000, bytes_read, 4_100_000_000, seconds)


@pytest.mark.parametrize(
    ("progress_", "shown"),
    [
        (made(0, 0.2), "shop: file 2 of 5, 0.0 kB of 4.1 GB, 1,200,000 records"),
        (
            made(1_025_000_000, 10.0),
            "shop: file 2 of 5, 1.0 GB of 4.1 GB, 0:30 left, 1,200,000 records, 120,000/s",
        ),
        (
            made(41_000_000, 100.0),
            "shop: file 2 of 5, 41.0 MB of 4.1 GB, 2:45 h left, 1,200,000 records, 12,000/s",
        ),
    ],
)
def test_a_long_load_shows_how_far_it_has_come(progress_, shown):
    assert progress.of_load(progress_) == shown


def test_a_log_is_told_how_far_a_load_has_come_once_in_a_while():
    told, clock = [], iter(range(100))
    tell = progress.at_intervals(told.append, 15, now=lambda: next(clock))
    for number in range(40):
        tell(made(number, 0.1))
    assert 1 < len(told) <= 3


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("14:02:11  7 of 320 START test unique_x ..... [RUN]", "7 of 320: test unique_x"),
        ("14:02:11  7 of 320 PASS unique_x ...... [PASS in 0.04s]", None),
        ("14:02:11  Concurrency: 2 threads (target='local')", None),
    ],
)
def test_a_build_shows_which_node_it_is_at(line, shown):
    assert progress.of_dbt_line(line) == shown


def test_nothing_is_written_over_where_there_is_no_terminal(capsys):
    import sys

    with progress.counter(sys.stdout) as count:
        count("7 of 320")
    assert capsys.readouterr().out == ""


def test_of_a_failed_build_the_ending_is_shown():
    lines = ["1 of 2 START", "Completed with 1 error:", "Failure in test x", "Done."]
    assert progress.ending_of(lines) == lines[1:]


def test_of_a_dbt_that_was_killed_nobody_says_that_it_built_nothing(settings):
    said = reporting.failed_build(settings, dbt.DbtRun(-9, 3000.0, ()))
    assert "killed by signal 9" in said
    assert "CLICKSTREAM_MEMORY_LIMIT (" in said


def test_a_message_of_many_lines_becomes_one():
    assert reporting.one_line(ValueError("IO Error:\n  could not\tread")) == (
        "IO Error: could not read"
    )


def test_the_warehouse_can_only_be_prepared_with_known_settings(settings):
    broken = replace(settings, sources_path=settings.data_dir / "none.yml")
    with pytest.raises(Exception, match="none.yml: cannot be read"):
        operations.prepare(broken)
