"""Do calls of Segment, RudderStack and Jitsu say what the original export says?"""

from datetime import datetime

import pytest

from tests.fixtures.encode_segment import FOLDER, encoded_files, sample_rows
from tests.references.originals import ORIGINAL, accounts, original_source, told_by
from tests.references.warehouses import BuiltWarehouse, build_tables, load, settings_in

APP = FOLDER.parent / "app"


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> BuiltWarehouse:
    folder = tmp_path_factory.mktemp("segment")
    sources = [
        {"name": name, "kind": "segment", "path": str(path), "user_namespace": name}
        for name, path in (("shop", FOLDER), ("app", APP), ("app_again", APP))
    ]
    settings = settings_in(folder, [*sources, original_source(folder / "csv", sample_rows())])
    load(settings)
    build_tables(settings)
    return BuiltWarehouse(settings)


def test_the_fixture_is_what_its_script_makes() -> None:
    files = dict(encoded_files(sample_rows()))
    assert files == {path.name: path.read_bytes() for path in FOLDER.iterdir()}


def test_the_calls_say_what_the_original_says(warehouse: BuiltWarehouse) -> None:
    told = told_by(warehouse, "shop")
    assert len(told) > 250
    assert told == told_by(warehouse, ORIGINAL)
    assert accounts(warehouse, "shop") == accounts(warehouse, ORIGINAL)


def test_each_of_the_six_calls_is_an_event(warehouse: BuiltWarehouse) -> None:
    found = warehouse.rows(
        """
        select
            event_name, occurred_at, device_id, user_id, platform, page_title, referrer_host,
            click_id_type, utm_campaign, country, revenue, currency, consent_ads
        from marts.events where source_name = 'app' order by occurred_at
        """
    )
    by_name = {row.pop("event_name"): row for row in found}
    assert list(by_name) == ["screen_view", "page_view", "identify", "group", "purchase", "alias"]
    told = {name: {k: v for k, v in row.items() if v is not None} for name, row in by_name.items()}
    assert told["screen_view"] == {
        # sent half a minute later, received by a clock 0.1 s ahead
        "occurred_at": datetime(2026, 3, 14, 10, 30, 0, 100_000),
        "device_id": "A9F1-11",
        "platform": "mobile",
        "page_title": "Main",
        "country": "Germany",
    }
    assert told["page_view"] == {
        "occurred_at": datetime(2026, 3, 14, 10, 31),
        "device_id": "a-91",
        "platform": "web",
        "page_title": "Teapot",
        "referrer_host": "www.google.com",
        "click_id_type": "gclid",
        "utm_campaign": "spring",
    }
    assert told["identify"]["user_id"] == "u-881"
    assert float(told["purchase"]["revenue"]) == 44
    assert told["purchase"]["currency"] == "EUR"
    assert told["purchase"]["consent_ads"] == "false"
    assert told["alias"]["device_id"] == "old-77"


def test_the_products_of_an_order_are_its_items(warehouse: BuiltWarehouse) -> None:
    items = warehouse.rows(
        """
        select event_items.item_id, item_name, quantity, price::double as price
        from marts.event_items inner join marts.events using (event_id)
        where events.source_name = 'app' order by item_position
        """
    )
    assert items == [
        {"item_id": "P42", "item_name": "Teapot", "quantity": 2, "price": 19.9},
        {"item_id": "P7", "item_name": "Cup", "quantity": 1, "price": 4.2},
    ]


def test_an_alias_brings_the_retired_id_to_the_user(warehouse: BuiltWarehouse) -> None:
    persons = warehouse.rows(
        """
        select count(distinct person_id) as persons from marts.sessions
        where source_name = 'app' and device_id in ('a-91', 'old-77')
        """
    )
    assert persons == [{"persons": 1}]


@pytest.mark.parametrize("source_name", ["app", "app_again"])
def test_two_sources_of_the_kind_stand_side_by_side(
    warehouse: BuiltWarehouse, source_name: str
) -> None:
    assert accounts(warehouse, source_name) == {
        "read": 9,
        "accepted": 6,
        "rejected": 2,
        "duplicate": 1,
        "superseded": 0,
    }
    rejected = warehouse.rows(
        "select reason from quality.rejected_records where source_name = $1 order by all",
        [source_name],
    )
    assert [row["reason"] for row in rejected] == ["invalid_json", "unknown_record_type"]


def test_what_has_no_column_is_kept_in_properties(warehouse: BuiltWarehouse) -> None:
    (kept,) = warehouse.rows(
        """
        select
            count(*) filter (properties ->> '$.properties.tracker_session' is not null) as own,
            count(*) filter (properties ->> '$.other_fields.rudderId' is not null) as rudder,
            count(*) filter (properties ->> '$.other_fields.requestIp' is not null) as jitsu
        from marts.events where source_name = 'shop'
        """
    )
    users = {row["user_id"] for row in sample_rows()}
    assert kept["own"] == len(told_by(warehouse, "shop"))
    assert len(users) == 6 and 0 < kept["rudder"] < kept["own"] and 0 < kept["jitsu"] < kept["own"]
