"""Do the messages of a Singer tap, and what its target writes, say what the original says?"""

from datetime import datetime

import pytest

from tests.fixtures.encode_segment import sample_rows
from tests.fixtures.encode_singer import FOLDER, MAPPING, encoded_files
from tests.references.originals import ORIGINAL, original_source
from tests.references.same_events import account_of
from tests.references.warehouses import BuiltWarehouse, build_tables, load, settings_in

RECEIVED = {"received_at": "^.time_extracted"}
_TOLD = """
select source_event_name, occurred_at, user_id, device_category
from marts.events where source_name = $1 order by all
"""


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> BuiltWarehouse:
    folder = tmp_path_factory.mktemp("singer")
    (folder / "broken").mkdir()
    lines = (FOLDER / "messages" / "messages.jsonl").read_text().splitlines()
    first = next(line for line in lines if '"stream": "events", "record"' in line)
    batch = '{"type": "BATCH", "stream": "events", "manifest": ["file:///events.jsonl.gz"]}'
    (folder / "broken" / "messages.jsonl").write_text(
        f"{lines[0]}\n{first[:-9]}\n{batch}\n{first}\n"
    )
    messages = {"kind": "generic", "format": "singer", "path": str(FOLDER / "messages")}
    events = {"only": {"stream": "events"}, "mapping": MAPPING | RECEIVED}
    users = {"event_name": "=user", "occurred_at": "^.time_extracted", "user_id": "id"}
    settings = settings_in(
        folder,
        [
            messages | events | {"name": "messages"},
            messages | events | {"name": "broken", "path": "broken"},
            messages | {"name": "users", "only": {"stream": "users"}, "mapping": users},
            {"name": "bare", "kind": "generic", "path": str(FOLDER / "bare"), "mapping": MAPPING},
            original_source(folder / "csv", sample_rows()),
        ],
    )
    load(settings)
    build_tables(settings)
    return BuiltWarehouse(settings)


def test_the_fixture_is_what_its_script_makes() -> None:
    for name, text in encoded_files():
        assert (FOLDER / name).read_text() == text


@pytest.mark.parametrize("source_name", ["messages", "bare"])
def test_the_records_say_what_the_original_says(
    warehouse: BuiltWarehouse, source_name: str
) -> None:
    told = warehouse.rows(_TOLD, [source_name])
    assert len(told) > 250
    assert told == warehouse.rows(_TOLD, [ORIGINAL])


def test_messages_of_others_are_no_records_but_told(warehouse: BuiltWarehouse) -> None:
    count = len(warehouse.rows(_TOLD, ["messages"]))
    assert account_of(warehouse, "messages") == [("loaded", count, count, 0, 0)]
    (file,) = warehouse.rows("select detail from quality.load_files where source_name = 'messages'")
    assert file["detail"] == (
        "11 lines passed over: 6 with stream = users, 2 with type = SCHEMA, "
        "2 with type = STATE, 1 with type = ACTIVATE_VERSION"
    )
    (received,) = warehouse.rows(
        "select distinct received_at from marts.events where source_name = 'messages'"
    )
    assert received["received_at"] == datetime(2024, 5, 1, 2)


def test_another_stream_is_another_source(warehouse: BuiltWarehouse) -> None:
    # a user has no time of its own
    assert account_of(warehouse, "users") == [("loaded", 6, 0, 6, 0)]


def test_a_broken_line_and_records_that_stand_elsewhere_are_rejected(
    warehouse: BuiltWarehouse,
) -> None:
    found = warehouse.rows(
        "select row_number, reason from quality.rejected_records where source_name = 'broken' "
        "order by all"
    )
    assert [tuple(row.values()) for row in found] == [(1, "invalid_json"), (2, "missing_records")]
    assert account_of(warehouse, "broken") == [("loaded", 3, 1, 2, 0)]
