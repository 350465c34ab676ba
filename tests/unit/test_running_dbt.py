"""What dbt remembers from run to run."""

from dataclasses import replace

from orchestration.dbt import forget_another_project
from orchestration.settings import read_settings


def test_what_dbt_remembers_of_a_project_that_stood_elsewhere_is_forgotten(tmp_path):
    here = read_settings({"CLICKSTREAM_DATA_DIR": str(tmp_path)})
    elsewhere = replace(here, dbt_project_dir=tmp_path / "elsewhere")
    remembered = here.dbt_run_dir / "partial_parse.msgpack"
    for settings, is_kept in ((elsewhere, False), (elsewhere, True), (here, False), (here, True)):
        here.dbt_run_dir.mkdir(parents=True, exist_ok=True)
        remembered.touch()
        forget_another_project(settings, here.dbt_run_dir)
        assert remembered.exists() is is_kept
