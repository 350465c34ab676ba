"""What Dagster shows and runs: the graph reads left to right, and the whole job works."""

import os
import time
from dataclasses import replace
from pathlib import Path

import dagster as dg
import duckdb
import fsspec
import pytest
import yaml
from dagster_dbt import DbtCliInvocation

from orchestration import comparing, dagster_home, locking, operations, sensors, verifying
from orchestration.assets.raw_events import build_raw_assets
from orchestration.assets.rejected_records import build_replay_job
from orchestration.checks import INCREMENTS_CHECK, build_checks, build_increments_check
from orchestration.definitions import build_definitions
from orchestration.loading.formats import json_verdict
from orchestration.publishing import read_publication
from orchestration.schedules import VERIFY_INCREMENTS
from orchestration.sensors import build_sensors
from orchestration.settings import Settings, read_settings
from tests.references.locked_folders import lock_folders
from tests.references.other_programs import open_elsewhere

# The order in which the data visits the rooms; no arrow may point back.
ROOMS = [
    "sources",
    "seeds",
    "staging",
    "events",
    "sessions",
    "persons",
    "conversions",
    "funnels",
    "journeys",
    "attribution",
    "marts",
    "quality",
    "published",
]

SOURCES = """
sources:
  - {name: shop, kind: generic, path: exports/shop}
  - {name: blog, kind: generic, path: exports/blog}
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> Settings:
    """Return settings with a warehouse and two small sources of their own."""
    folder = tmp_path_factory.mktemp("dagster")
    for source in ("shop", "blog"):
        (folder / "exports" / source).mkdir(parents=True)
        (folder / "exports" / source / "day_1.jsonl").write_text(export(source, 20))
    (folder / "sources.yml").write_text(SOURCES)
    return read_settings(
        {
            "CLICKSTREAM_DATA_DIR": str(folder / "data"),
            "CLICKSTREAM_SOURCES": str(folder / "sources.yml"),
        }
    )


def export(source: str, views: int) -> str:
    return "".join(
        f'{{"event_id": "{source}{n}", "event_name": "page_view", "device_id": "d{n % 5}", '
        f'"occurred_at": "2026-01-0{1 + n % 9}T10:00:00Z", '
        f'"page_url": "https://{source}.example/{n}"}}\n'
        for n in range(views)
    )


@pytest.fixture(scope="module")
def definitions(settings) -> dg.Definitions:
    before = dict(os.environ)
    yield build_definitions(settings)
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module")
def graph(definitions):
    return definitions.resolve_asset_graph()


def test_every_configured_source_is_an_asset_that_its_staging_models_read(graph):
    for source in ("shop", "blog"):
        key = dg.AssetKey(["sources", source])
        children = {child.path[-1] for child in graph.get(key).child_keys}
        assert "stg_generic__events" in children


def test_staging_models_read_no_raw_table_beside_the_sources(graph):
    strangers = [key for key in graph.get_all_asset_keys() if key.path[0] in ("raw", "loader")]
    assert strangers == []


def test_a_model_reads_only_the_sources_of_its_own_kind(graph):
    parents = graph.get(dg.AssetKey(["staging", "stg_ga4__events"])).parent_keys
    assert parents == set()


def test_no_arrow_of_the_graph_points_back(graph):
    back = [
        f"{parent.to_user_string()} ({graph.get(parent).group_name}) → "
        f"{key.to_user_string()} ({graph.get(key).group_name})"
        for key in graph.get_all_asset_keys()
        for parent in graph.get(key).parent_keys
        if ROOMS.index(graph.get(parent).group_name) > ROOMS.index(graph.get(key).group_name)
    ]
    assert back == []


def test_every_asset_says_what_it_is(graph):
    silent = [
        key.to_user_string()
        for key in graph.get_all_asset_keys()
        if not (graph.get(key).description or "").strip()
    ]
    assert silent == []


def test_the_published_marts_come_after_all_marts_and_quality_models(graph):
    published = graph.get(dg.AssetKey(["published", "marts"]))
    expected = {key for key in graph.get_all_asset_keys() if key.path[0] in ("marts", "quality")}
    assert expected
    assert published.parent_keys == expected


def test_every_data_test_that_is_about_a_mart_is_a_check(graph):
    checks = {key.asset_key.path[-1] for key in graph.asset_check_keys}
    marts = {key.path[-1] for key in graph.get_all_asset_keys() if key.path[0] == "marts"}
    assert marts <= checks


def test_a_promise_is_shown_in_its_own_words(graph):
    promises = {
        (key.asset_key.path[-1], key.name): graph.get(key).description
        for key in graph.asset_check_keys
    }
    assert [key for key, promise in promises.items() if not promise] == []
    said = {promise for (asset, _), promise in promises.items() if asset == "sessions"}
    assert "`session_id`: no two rows alike." in said
    assert "`person_id`: a `person_id` of persons, or null." in said
    assert any(each.startswith("`session_id`, `source_name`, ") for each in said)
    assert any("one of `first_event`, `inactivity`, " in each for each in said)
    assert any("event belongs to a session exactly where it has a device" in each for each in said)
    assert "`file_id`: never null, where status != 'refused'." in promises.values()


def test_nothing_runs_by_itself_until_somebody_turns_it_on(definitions):
    repository = definitions.get_repository_def()
    names = {schedule.name for schedule in repository.schedule_defs}
    assert names == {"every_night", "every_hour", "every_week"}
    assert all(
        s.default_status == dg.DefaultScheduleStatus.STOPPED for s in repository.schedule_defs
    )
    assert all(s.default_status == dg.DefaultSensorStatus.STOPPED for s in repository.sensor_defs)


def test_the_whole_job_loads_builds_checks_and_publishes(definitions, settings, monkeypatch):
    start = DbtCliInvocation.run
    inputs = []

    def run(*arguments: object, **more: object) -> DbtCliInvocation:
        inputs.append(os.fstat(0))
        return start(*arguments, **more)

    monkeypatch.setattr(DbtCliInvocation, "run", run)
    job = definitions.resolve_job_def("load_build_publish")
    with dg.instance_for_test() as instance:
        result = job.execute_in_process(instance=instance)
    assert result.success
    # dbt holds the lock as well.
    assert [os.path.samestat(each, settings.lock_path.stat()) for each in inputs] == [True]
    assert not os.path.samestat(os.fstat(0), settings.lock_path.stat())
    loaded = result.asset_materializations_for_node("sources__shop")[0].metadata
    assert loaded["records_loaded"].value == 20
    publication = read_publication(settings.published_path)
    assert publication.rows("events") == 40
    assert publication.rows("sessions") > 0
    (check,) = (
        check
        for check in result.get_asset_check_evaluations()
        if check.check_name == "published_marts_are_fresh"
    )
    assert check.passed


def test_increments_are_verified_by_a_job_of_its_own(definitions):
    def checked_by(job: str) -> set[dg.AssetCheckKey]:
        return set(definitions.resolve_job_def(job).asset_layer.asset_graph.asset_check_keys)

    assert checked_by("verify_increments") == {INCREMENTS_CHECK}
    assert INCREMENTS_CHECK not in checked_by("load_build_publish")


@pytest.mark.parametrize("differing", [0, 2])
def test_the_check_of_increments_says_what_differs(settings, monkeypatch, differing):
    asked = {}

    def verify(*_: object, **options: object) -> verifying.Verification:
        asked.update(options)
        example = comparing.Example("event_id", None, {"event_id": "e1", "name": "click"})
        table = comparing.TableComparison("marts.events", 9, differing, 0, example)
        return verifying.Verification(verifying.Sample(1, 3, 9, 0.1), (table,), 1.0)

    monkeypatch.setattr(verifying, "verify", verify)

    @dg.asset(key=INCREMENTS_CHECK.asset_key)
    def events() -> None: ...

    job = dg.Definitions(
        assets=[events],
        asset_checks=[build_increments_check(settings)],
        jobs=[VERIFY_INCREMENTS],
    ).resolve_job_def("verify_increments")
    name = "marts__events_increments_equal_a_full_refresh"
    result = job.execute_in_process(run_config={"ops": {name: {"config": {"records": 9}}}})
    (check,) = result.get_asset_check_evaluations()
    assert (check.passed, asked["records"]) == (not differing, 9)
    assert check.metadata["records"].value == 9
    assert ("marts.events" in (check.description or "")) == bool(differing)
    shown = check.metadata["tables"].value
    assert ("the row event_id = e1 (name = click) is there only anew" in shown) == bool(differing)


def run_sources(settings: Settings, **config: object) -> dg.ExecuteInProcessResult:
    """Materialise the assets of the sources alone, with the same config for each."""
    assets = build_raw_assets(settings, operations.read_configuration(settings))
    ops = {asset.op.name: {"config": config} for asset in assets}
    return dg.materialize(assets, run_config={"ops": ops} if config else None)


def verdict_on_rejections(result: dg.ExecuteInProcessResult) -> dg.AssetCheckEvaluation:
    (verdict,) = (
        check
        for check in result.get_asset_check_evaluations()
        if check.check_name == "rejections_are_within_the_limit"
    )
    return verdict


def test_a_file_over_the_limit_fails_a_check_and_stops_nothing(watched):
    settings, folder = watched
    (folder / "bad.jsonl").write_text("broken\n" * 30)
    result = run_sources(settings)
    assert result.success
    check = verdict_on_rejections(result)
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "bad.jsonl: 30 of 30 records are rejected" in check.description
    assert not check.blocking
    (folder / "bad.jsonl").unlink()
    assert verdict_on_rejections(run_sources(settings)).passed


def test_a_config_field_reads_a_source_again(watched):
    settings, _ = watched
    loaded = [
        run_sources(settings, **config).asset_materializations_for_node("sources__s")[0].metadata
        for config in ({}, {"again": True})
    ]
    assert [metadata["records_loaded"].value for metadata in loaded] == [0, 3]


def test_the_replay_job_puts_through_again_what_its_config_names(watched, monkeypatch):
    settings, folder = watched
    (folder / "twice.jsonl").write_text('{"event_id": "9", "event_id": "9"}\n')
    operations.load(settings)
    monkeypatch.setattr(json_verdict, "verdict_on", lambda *_, **__: None)
    job = build_replay_job(settings)

    def run(**config: object) -> list[dg.AssetMaterialization]:
        ops = {"replay_rejected_records": {"config": config}}
        result = job.execute_in_process(run_config={"ops": ops})
        return result.asset_materializations_for_node("replay_rejected_records")

    assert run(reasons=["too_deep"]) == []
    (moved,) = run(sources=["s"], reasons=["duplicate_key"])
    assert moved.asset_key == dg.AssetKey(["sources", "s"])
    assert moved.metadata["records_replayed"].value == 1
    assert run() == []


@pytest.fixture
def watched(settings, tmp_path) -> tuple[Settings, Path]:
    """Return settings with one source whose only file is loaded, and its folder."""
    folder = tmp_path / "exports"
    folder.mkdir()
    (folder / "day_1.jsonl").write_text(export("shop", 3))
    (tmp_path / "sources.yml").write_text("sources: [{name: s, kind: generic, path: exports}]\n")
    made = read_settings(
        {
            "CLICKSTREAM_DATA_DIR": str(tmp_path / "data"),
            "CLICKSTREAM_SOURCES": str(tmp_path / "sources.yml"),
        }
    )
    made.make_directories()
    operations.load(made)
    return made, folder


def look(settings: Settings, cursor: str | None = None) -> dg.SensorResult | dg.SkipReason:
    (sensor,) = build_sensors(settings, operations.read_configuration(settings))
    with dg.build_sensor_context(cursor=cursor) as context:
        return sensor(context)


def test_a_new_file_starts_one_run_and_is_then_left_alone(watched):
    settings, folder = watched
    seen = look(settings)
    assert (seen.run_requests, seen.skip_reason.skip_message) == ([], "Every file is loaded.")
    assert "No file was added" in look(settings, seen.cursor).skip_message
    (folder / "day_2.jsonl").write_text(export("shop", 2))
    assert len(look(settings, seen.cursor).run_requests) == 1
    operations.load(settings)
    seen = look(settings, seen.cursor)
    assert (seen.run_requests, seen.skip_reason.skip_message) == ([], "Every file is loaded.")
    assert "No file was added" in look(settings, seen.cursor).skip_message


def test_a_file_that_is_not_loaded_starts_a_run_an_hour(watched, monkeypatch):
    settings, folder = watched
    cursor = look(settings).cursor
    (folder / "day_2.jsonl").write_text(export("shop", 2))
    run_keys = []
    for hour in (10, 10, 11):
        monkeypatch.setattr(sensors, "_hour", lambda hour=hour: f"2026-03-14 {hour}")
        result = look(settings, cursor)
        (request,) = result.run_requests
        run_keys.append(request.run_key)
        cursor = result.cursor or cursor
    # Of those with one key, Dagster starts the first.
    assert run_keys[0] == run_keys[1] != run_keys[2]


def test_a_file_of_the_future_starts_a_run(watched):
    settings, folder = watched
    (folder / "day_2.jsonl").write_text(export("shop", 2))
    tomorrow = time.time() + 24 * 3600
    os.utime(folder / "day_2.jsonl", (tomorrow, tomorrow))
    assert len(look(settings).run_requests) == 1
    text = settings.sources_path.read_text()
    settings.sources_path.write_text(text.replace("path:", "settle_seconds: 60, path:"))
    assert look(settings).run_requests == []


@pytest.mark.parametrize("is_prepared", [False, True])
def test_all_files_are_new_to_a_new_warehouse(watched, is_prepared):
    settings, _ = watched
    cursor = look(settings).cursor
    settings.warehouse_path.unlink()
    if is_prepared:
        operations.prepare(settings)
    assert len(look(settings, cursor).run_requests) == 1


def test_the_files_of_another_source_are_new_to_one_with_the_same_path(watched):
    settings, _ = watched
    text = settings.sources_path.read_text()
    settings.sources_path.write_text(
        text.replace("exports}]", "exports}, {name: other, kind: generic, path: exports}]")
    )
    assert len(look(settings).run_requests) == 1


def test_a_file_that_grew_is_new(watched):
    settings, folder = watched
    seen = look(settings)
    with (folder / "day_1.jsonl").open("a") as file:
        file.write(export("late", 1))
    assert len(look(settings, seen.cursor).run_requests) == 1


def test_a_file_that_is_being_written_starts_a_run_once_it_is_closed(watched):
    settings, folder = watched
    seen = look(settings)
    with (folder / "day_2.jsonl").open("w") as file:
        file.write(export("shop", 2))
        file.flush()
        waiting = look(settings, seen.cursor)
        assert "still being written" in waiting.skip_message
    # Closing it changes neither its size nor its time.
    assert len(look(settings, seen.cursor).run_requests) == 1


@pytest.fixture
def stored(watched) -> Settings:
    """Return settings with a second source in a store, and a third in one that is unknown."""
    settings, _ = watched
    store = fsspec.filesystem("memory")
    store.store.clear()
    store.pipe_file("/events/a.jsonl", export("far", 2).encode())
    sources = settings.sources_path.read_text().replace(
        "exports}]",
        "exports}, {name: far, kind: generic, path: 'memory://events/'}, "
        "{name: lost, kind: generic, path: 'nosuch://events/'}]",
    )
    settings.sources_path.write_text(sources)
    yield settings
    store.store.clear()


def test_the_sensor_looks_into_stores_and_says_which_do_not_answer(stored):
    assert len(look(stored).run_requests) == 1
    assert [load.summary.problem is None for load in operations.load(stored)] == [True, True, False]
    seen = look(stored)
    assert seen.skip_reason.skip_message.startswith("Every file is loaded; lost: nosuch")
    assert "nosuch://events/ cannot be read" in look(stored, seen.cursor).skip_message


def test_a_store_out_of_reach_fails_a_check_and_stops_nothing(stored):
    result = run_sources(stored)
    assert result.success
    checks = {
        check.asset_key.path[-1]: check
        for check in result.get_asset_check_evaluations()
        if check.check_name == "the_store_answers"
    }
    assert {name: check.passed for name, check in checks.items()} == {"far": True, "lost": False}
    assert "Protocol not known: nosuch" in checks["lost"].description


def test_a_folder_that_cannot_be_listed_fails_a_check_and_the_sensor_says_so(watched, monkeypatch):
    settings, folder = watched
    (folder / "locked").mkdir()
    lock_folders(monkeypatch, "locked")
    result = run_sources(settings)
    assert result.success
    told = {check.check_name: check for check in result.get_asset_check_evaluations()}
    check = told["the_folders_can_be_read"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "exports/locked cannot be read" in check.description
    assert "s: exports/locked cannot be read" in look(settings).skip_reason.skip_message


def test_the_sensor_looks_again_later_while_the_warehouse_is_busy(watched):
    settings, folder = watched
    (folder / "day_2.jsonl").write_text(export("shop", 2))
    with locking.hold(settings.lock_path, "clickstream build"):
        assert "clickstream build" in look(settings).skip_message


def test_whoever_writes_waits_until_the_sensor_has_read(watched, monkeypatch):
    settings, folder = watched
    (folder / "day_2.jsonl").write_text(export("shop", 2))
    read = sensors.read_known_files

    def read_known_files(settings: Settings) -> object:
        with (
            pytest.raises(locking.WarehouseBusy, match="it is being read"),
            locking.hold(settings.lock_path, "clickstream run", wait_seconds=0),
        ):
            pass
        return read(settings)

    monkeypatch.setattr(sensors, "read_known_files", read_known_files)
    assert len(look(settings).run_requests) == 1


def test_the_sensor_says_which_other_program_has_the_warehouse_open(watched):
    settings, folder = watched
    (folder / "day_2.jsonl").write_text(export("shop", 2))
    with open_elsewhere(settings.warehouse_path) as other:
        assert f"(PID {other.pid})" in look(settings).skip_message


def test_the_freshness_check_fails_where_nothing_was_published(settings, tmp_path):
    elsewhere = replace(settings, published_path=tmp_path / "nothing.duckdb")
    (check,) = build_checks(elsewhere, dg.AssetKey("published"))
    result = check()
    assert not result.passed
    assert "does not exist" in result.description


def test_the_freshness_check_warns_of_an_old_publication(settings, tmp_path):
    path = tmp_path / "old.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "create table published as select 'marts' as table_schema, 'events' as table_name, "
            "1 as row_count, timestamp '2026-01-01' as published_at, 'b' as build_id, "
            "timestamp '2026-01-01' as built_at, null::timestamp as loaded_through_at, "
            "null::timestamp as data_through_at"
        )
    (check,) = build_checks(replace(settings, published_path=path), dg.AssetKey("published"))
    result = check()
    assert not result.passed
    assert result.severity == dg.AssetCheckSeverity.WARN


def test_the_instance_queues_runs_and_sends_nothing_home(settings):
    path = dagster_home.write_configuration(settings)
    assert yaml.safe_load(path.read_text())["telemetry"] == {"enabled": False}
    with dg.DagsterInstance.from_config(str(path.parent)) as instance:
        assert instance.get_concurrency_config().run_queue_config.max_concurrent_runs == 1
        assert instance.run_retries_enabled
        assert not instance.telemetry_enabled
        assert not instance.nux_enabled
        assert instance.get_settings("run_monitoring")["max_runtime_seconds"] == 6 * 3600


def test_a_run_that_a_power_cut_left_at_work_is_ended_at_the_next_start(settings):
    dagster_home.write_configuration(settings)
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:

        @dg.job
        def left():
            pass

        run = instance.create_run_for_job(left, status=dg.DagsterRunStatus.STARTED)
    assert dagster_home.end_orphaned_runs(settings) == 1
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        assert instance.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.FAILURE
    assert dagster_home.end_orphaned_runs(settings) == 0
