"""Settings come from the environment, are absolute, and are refused with a reason."""

import stat
from pathlib import Path

import pytest

from orchestration.settings import PROJECT_DIR, SettingsError, read_settings


def test_without_an_environment_everything_lies_in_the_project():
    settings = read_settings({})
    assert settings.warehouse_path == PROJECT_DIR / "data" / "warehouse.duckdb"
    assert settings.sources_path == PROJECT_DIR / "sources.yml"
    assert settings.threads == 2


def test_every_path_is_absolute_though_the_environment_is_not(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    settings = read_settings({"CLICKSTREAM_DATA_DIR": "here", "CLICKSTREAM_SOURCES": "my.yml"})
    paths = [value for value in vars(settings).values() if isinstance(value, Path)]
    assert all(path.is_absolute() for path in paths)
    assert settings.published_path == tmp_path / "here" / "published" / "clickstream.duckdb"
    assert settings.sources_path == tmp_path / "my.yml"


def test_a_child_process_gets_the_same_settings():
    settings = read_settings({"CLICKSTREAM_DATA_DIR": "/d", "CLICKSTREAM_MEMORY_LIMIT": "3GB"})
    assert read_settings(settings.environment) == settings


def test_memory_is_kept_where_the_machine_has_as_much_as_is_allowed():
    kept = {
        limit: read_settings({"CLICKSTREAM_MEMORY_LIMIT": limit}).environment[
            "CLICKSTREAM_BLOCK_MEMORY"
        ]
        for limit in ("256MB", "1000TB")
    }
    assert kept == {"256MB": "256MB", "1000TB": "0B"}


def test_telemetry_is_off_in_every_child_process():
    environment = read_settings({}).environment
    assert environment["DO_NOT_TRACK"] == "1"
    assert environment["DBT_SEND_ANONYMOUS_USAGE_STATS"] == "false"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CLICKSTREAM_MEMORY_LIMIT", "much"),
        ("CLICKSTREAM_MEMORY_LIMIT", "4"),
        ("CLICKSTREAM_THREADS", "0"),
        ("CLICKSTREAM_THREADS", "two"),
        ("CLICKSTREAM_THREADS", "²"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named_with_what_was_found(name, value):
    with pytest.raises(SettingsError, match=f"{name} is '{value}'; expected"):
        read_settings({name: value})


def test_only_the_owner_can_look_into_the_folders_that_hold_raw_records(settings):
    for private in (settings.landing_dir, settings.temp_dir, settings.dagster_home):
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert stat.S_IMODE(settings.published_path.parent.stat().st_mode) == 0o755
