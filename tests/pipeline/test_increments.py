"""Is what was built by increments what a build from nothing gives, with dbt itself, on exports?"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest

from orchestration import dbt
from orchestration.comparing import TableComparison, compare
from orchestration.settings import Settings
from tests.pipeline.test_load_order import deliveries
from tests.references.warehouses import (
    BuiltWarehouse,
    build_without_tests,
    load,
    run_dbt,
    settings_in,
)


@pytest.fixture(scope="module")
def built_by_increments(tmp_path_factory: pytest.TempPathFactory) -> BuiltWarehouse:
    """Return a warehouse built four times, as its exports came, were replaced and went."""
    folder = tmp_path_factory.mktemp("built_by_increments")
    exports = list(reversed(deliveries()))
    names = dict.fromkeys((name, kind) for name, kind, *_ in exports)
    settings = settings_in(
        folder, [{"name": name, "kind": kind, "path": name} for name, kind in names]
    )
    deliver(settings, exports[::3])
    build_without_tests(settings)
    deliver(settings, exports[1::3])
    # As if killed: what follows from the events is left behind.
    run_dbt(settings, "run", "--select", "int_files_loaded", "int_events_sessionized")
    deliver(settings, exports[2::3])
    build_without_tests(settings)
    with duckdb.connect(str(settings.warehouse_path)) as connection:
        connection.execute(
            """
            delete from raw.matomo_actions
            where _file_id = (select min(_file_id) from raw.matomo_actions)
            """
        )
    build_without_tests(settings)
    return BuiltWarehouse(settings)


def test_increments_equal_a_build_from_nothing(
    built_by_increments: BuiltWarehouse, tmp_path: Path
) -> None:
    anew = copy_of(built_by_increments, tmp_path)
    # Two files are larger than that and are cut; the others are put together.
    in_parts = ("--vars", "{records_joined_at_once: 150}")
    said = build(anew.settings, "--full-refresh", *in_parts)
    assert "int_sessions_identified" in said
    assert "int_events_sessionized is built in" in said
    assert "int_planned_properties_checked is built in" in said
    assert "int_page_views_measured is built in" in said
    tables = compare(built_by_increments.settings, anew.settings)
    rows = {table.name: table.rows for table in tables}
    assert rows["marts.events"] and rows["marts.persons"]
    assert differing(tables) == []


def test_files_that_a_run_of_some_models_took_up_without_their_lookups_are_taken_up_again(
    tmp_path: Path,
) -> None:
    some, anew = tmp_path / "some", tmp_path / "anew"
    some.mkdir()
    settings = settings_in(some, [{"name": "shop", "kind": "generic", "path": "shop"}])
    (some / "shop").mkdir()
    (some / "shop" / "1.jsonl").write_text(view("e1", "Mozilla/5.0 (X11; Linux)", "/"))
    load(settings)
    build_without_tests(settings)
    (some / "shop" / "2.jsonl").write_text(view("e2", "Googlebot/2.1", "/?utm_source=news&gclid=1"))
    load(settings)
    run_dbt(settings, "run", "--select", "int_files_loaded", "int_events_sessionized")
    build_without_tests(settings)
    built = BuiltWarehouse(settings)
    whole = copy_of(built, anew)
    build(whole.settings, "--full-refresh")
    assert differing(compare(built.settings, whole.settings)) == []


def view(event_id: str, user_agent: str, target: str) -> str:
    record = {
        "event_id": event_id,
        "event_name": "page_view",
        "occurred_at": "2026-03-01T10:00:00Z",
        "device_id": event_id,
        "user_agent": user_agent,
        "page_url": f"https://shop.example{target}",
    }
    return json.dumps(record) + "\n"


def test_what_a_changed_setting_alters_is_announced_and_built_anew(
    built_by_increments: BuiltWarehouse, tmp_path: Path
) -> None:
    changed, anew = (copy_of(built_by_increments, tmp_path / each) for each in ("a", "b"))
    setting = ("--vars", "{session_timeout_minutes: 1, lifecycle_current_days: 1}")
    said = build(changed.settings, *setting)
    assert "session_timeout_minutes (30 -> 1)" in said
    assert "int_events_sessionized" in said and "int_persons_summarized" in said
    # Computed by the mart itself: nothing stored depends on it.
    assert "lifecycle_current_days" not in said
    build(anew.settings, "--full-refresh", *setting)
    assert "marts.sessions" in differing(compare(built_by_increments.settings, anew.settings))
    assert differing(compare(changed.settings, anew.settings)) == []
    assert build(changed.settings, *setting) == ""


def differing(tables: Sequence[TableComparison]) -> list[str]:
    return [table.name for table in tables if table.differences]


def deliver(settings: Settings, exports: list[tuple[str, str, str, bytes]]) -> None:
    for name, _, file, content in exports:
        path = settings.sources_path.parent / name / file
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    load(settings)


def copy_of(warehouse: BuiltWarehouse, folder: Path) -> BuiltWarehouse:
    folder.mkdir(exist_ok=True)
    settings = settings_in(folder)
    settings.make_directories()
    shutil.copyfile(warehouse.settings.warehouse_path, settings.warehouse_path)
    return BuiltWarehouse(settings)


def build(settings: Settings, *arguments: str) -> str:
    """Build the models, and return what was said to be built anew or in parts."""
    printed: list[str] = []
    run = dbt.run_dbt(settings, "run", *arguments, on_line=printed.append)
    assert run.succeeded, "\n".join(printed)
    announcements = ("Changed since", "built anew from all", "is built in")
    return "\n".join(line for line in printed if any(each in line for each in announcements))
