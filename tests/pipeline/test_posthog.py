"""Does a batch export, as Parquet and as JSON lines, say what the original export says?"""

import pytest

from tests.fixtures.encode_posthog import FOLDER, JSON_LINES, PARQUET, encoded_lines
from tests.fixtures.encode_segment import sample_rows
from tests.references.originals import ORIGINAL, accounts, original_source, told_by
from tests.references.warehouses import BuiltWarehouse, build_tables, load, settings_in


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> BuiltWarehouse:
    folder = tmp_path_factory.mktemp("posthog")
    places = {
        "parquet": (PARQUET.parent, "inactivity"),
        "json_lines": (JSON_LINES.parent, "inactivity"),
        "both_formats": (FOLDER, "inactivity"),
        "tracked": (JSON_LINES.parent, "tracker"),
    }
    sources = [
        {
            "name": name,
            "kind": "posthog",
            "path": str(path),
            "session_ids_from": session_ids_from,
            "user_namespace": name,
        }
        for name, (path, session_ids_from) in places.items()
    ]
    original = original_source(folder / "csv", sample_rows())
    tracked = original | {
        "name": "original_tracked",
        "session_ids_from": "tracker",
        "user_namespace": "original_tracked",
    }
    settings = settings_in(folder, [*sources, original, tracked])
    load(settings)
    build_tables(settings)
    return BuiltWarehouse(settings)


def test_the_fixture_is_what_its_script_makes() -> None:
    assert JSON_LINES.read_text() == encoded_lines(sample_rows())


@pytest.mark.parametrize("source_name", ["parquet", "json_lines", "both_formats"])
def test_the_export_says_what_the_original_says(
    warehouse: BuiltWarehouse, source_name: str
) -> None:
    told = told_by(warehouse, source_name)
    assert len(told) > 250
    assert told == told_by(warehouse, ORIGINAL)


def test_both_formats_hold_the_same_events(warehouse: BuiltWarehouse) -> None:
    # an event under one id with other content would be rejected as a conflict
    once = accounts(warehouse, "parquet")
    assert once == accounts(warehouse, "json_lines") == accounts(warehouse, ORIGINAL)
    twice = accounts(warehouse, "both_formats")
    assert twice["accepted"] == once["accepted"] and twice["rejected"] == 0
    assert twice["duplicate"] == once["accepted"] + 2 * once["duplicate"]


@pytest.mark.parametrize(
    ("source_name", "expected"), [("tracked", "tracker"), ("json_lines", "first_event")]
)
def test_the_trackers_sessions_are_taken_where_they_are_trusted(
    warehouse: BuiltWarehouse, source_name: str, expected: str
) -> None:
    def sessions(name: str) -> list[tuple]:
        return sorted(each[1:3] + each[4:] for each in told_by(warehouse, name))

    assert sessions("tracked") == sessions("original_tracked")
    found = warehouse.rows(
        "select distinct split_reason from marts.sessions where source_name = $1", [source_name]
    )
    assert expected in {row["split_reason"] for row in found}


def test_direct_visits_have_no_referrer(warehouse: BuiltWarehouse) -> None:
    (found,) = warehouse.rows(
        """
        select count(referrer_url) as referrers, count(received_at) as received, count(*) as events
        from marts.events where source_name = 'parquet'
        """
    )
    assert found["referrers"] == 0
    assert found["received"] == found["events"]
