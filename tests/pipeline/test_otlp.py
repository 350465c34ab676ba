"""Do OpenTelemetry's log records say what the original export says?"""

import json
from datetime import datetime

import pytest

from tests.fixtures import encode_otlp
from tests.fixtures.encode_segment import sample_rows
from tests.references.originals import ORIGINAL, accounts, original_source, told_by
from tests.references.warehouses import BuiltWarehouse, build_tables, load, settings_in


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> BuiltWarehouse:
    folder = tmp_path_factory.mktemp("otlp")
    sources = [
        {"name": name, "kind": "otlp", "path": str(encode_otlp.FOLDER / name)}
        for name in ("collector", "pretty")
    ]
    original = original_source(folder / "csv", sample_rows()) | {"session_ids_from": "tracker"}
    settings = settings_in(folder, [*sources, original])
    load(settings)
    build_tables(settings)
    return BuiltWarehouse(settings)


def test_the_fixture_is_what_its_script_makes() -> None:
    assert encode_otlp.LOGS.read_text() == "".join(encode_otlp.lines())


def test_the_log_records_say_what_the_original_says(warehouse: BuiltWarehouse) -> None:
    told = told_by(warehouse, "collector")
    assert len(told) > 250
    assert told == told_by(warehouse, ORIGINAL)


def test_a_request_sent_twice_counts_once(warehouse: BuiltWarehouse) -> None:
    sent, distinct = accounts(warehouse, "collector"), accounts(warehouse, ORIGINAL)
    assert sent["accepted"] == distinct["accepted"]
    assert sent["duplicate"] > distinct["duplicate"] and sent["rejected"] == 0


def test_an_event_is_named_and_timed_as_its_library_could(warehouse: BuiltWarehouse) -> None:
    found = warehouse.rows(
        """
        select
            event_name, occurred_at, device_id, page_path, page_title, referrer_host, utm_source,
            platform
        from marts.events where source_name = 'pretty' order by occurred_at
        """
    )
    common = {"event_name": "page_view", "device_id": "session:S1", "platform": "web"}
    assert [{k: v for k, v in row.items() if v is not None} for row in found] == [
        common
        | {
            "occurred_at": datetime(2026, 3, 14, 10, 30, 3, 123456),
            "page_path": "/p/42",
            "utm_source": "news",
        },
        common
        | {
            "occurred_at": datetime(2026, 3, 14, 10, 30, 4),
            "page_path": "/p/7",
            "page_title": "Cup",
            "referrer_host": "www.google.com",
        },
    ]


def test_attributes_are_unpacked_and_all_else_is_kept(warehouse: BuiltWarehouse) -> None:
    (found,) = warehouse.rows(
        "select properties from marts.events where source_name = 'pretty' and utm_source = 'news'"
    )
    properties = json.loads(found["properties"])
    attributes = properties["attributes"]
    assert {name: attributes[name] for name in ("price", "id", "tags", "map", "raw")} == {
        "price": 19.9,
        "id": 9007199254740993,
        "tags": ["a", 1],
        "map": {"k": True},
        "raw": "AQI=",
    }
    assert properties["resource"] == {"service.name": "shop", "browser.brands": ["Chromium 124"]}
    assert properties["scope"]["attributes"][0]["key"] == "k"
    assert properties["traceId"] == "5B8EFFF798038103D269B633813FC60C"
    assert properties["other_fields"]["^^"] == {
        "schemaUrl": "https://opentelemetry.io/schemas/1.40.0"
    }


def test_what_is_no_event_is_rejected(warehouse: BuiltWarehouse) -> None:
    found = warehouse.rows(
        "select reason from quality.rejected_records where source_name = 'pretty' order by all"
    )
    assert [row["reason"] for row in found] == ["missing_event_name", "missing_records"]
    assert accounts(warehouse, "pretty")["read"] == 4
