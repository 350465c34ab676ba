"""Do Matomo's visits say what the original export says, however often they are told?"""

from datetime import datetime
from decimal import Decimal

import pytest

from tests.fixtures.encode_matomo import FOLDER, encoded_files
from tests.fixtures.encode_segment import sample_rows
from tests.references.originals import ORIGINAL, accounts, original_source, told_by
from tests.references.warehouses import BuiltWarehouse, build_tables, load, settings_in

KINDS = FOLDER.parent / "kinds"


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> BuiltWarehouse:
    folder = tmp_path_factory.mktemp("matomo")
    sources = [
        {"name": name, "kind": "matomo", "path": str(path), "user_namespace": name}
        for name, path in (("shop", FOLDER), ("kinds", KINDS), ("kinds_again", KINDS))
    ]
    whole_seconds = [row | {"timestamp": row["timestamp"][:19]} for row in sample_rows()]
    original = original_source(folder / "csv", whole_seconds)
    settings = settings_in(folder, [*sources, original | {"session_ids_from": "tracker"}])
    load(settings)
    build_tables(settings)
    return BuiltWarehouse(settings)


def test_the_fixture_is_what_its_script_makes() -> None:
    assert dict(encoded_files()) == {path.name: path.read_text() for path in FOLDER.iterdir()}


def test_the_actions_say_what_the_original_says(warehouse: BuiltWarehouse) -> None:
    told = told_by(warehouse, "shop")
    assert len(told) > 250
    assert told == told_by(warehouse, ORIGINAL)


def test_an_action_told_again_is_a_duplicate_of_the_later_telling(
    warehouse: BuiltWarehouse,
) -> None:
    found = warehouse.rows(
        """
        select path, records_read, records_accepted, records_rejected, records_duplicate
        from quality.load_files where source_name = 'shop' order by path
        """
    )
    early, whole = (tuple(row.values())[1:] for row in found)
    assert (early[1], early[2]) == (0, 0) and early[3] == early[0] > 50
    assert whole[1:] == (whole[0], 0, 0)
    # and no conflict with it, though it says that the visit ended earlier
    (differing,) = warehouse.rows(
        """
        select count(*) as n
        from staging.stg_matomo__events as early inner join marts.events using (event_id)
        where
            early.source_name = 'shop' and early.file_id <> events.file_id
            and early.properties <> events.properties
        """
    )
    assert differing["n"] > 50


def test_campaigns_are_those_of_the_visits(warehouse: BuiltWarehouse) -> None:
    found = warehouse.rows(
        "select utm_campaign, count(*) as n from marts.sessions "
        "where source_name = 'shop' group by all"
    )
    sessions = {row["session_id"]: row["acquisition_channel"] for row in reversed(sample_rows())}
    expected = {name: list(sessions.values()).count(name) for name in set(sessions.values())}
    assert {row["utm_campaign"]: row["n"] for row in found} == expected


def test_every_type_of_action_is_an_event_of_its_own(warehouse: BuiltWarehouse) -> None:
    found = warehouse.rows(
        """
        select
            event_name, occurred_at, page_path, referrer_host, order_id, revenue, item_id,
            engaged_seconds, device_id, user_id, device_category, currency,
            properties ->> '$.other_fields."^".dimension1' as dimension1
        from marts.events where source_name = 'kinds' order by occurred_at, event_name desc
        """
    )
    visit = {
        "device_id": "5bc9628006479118",
        "user_id": "u-881",
        "device_category": "mobile",
        "currency": "EUR",
        "dimension1": "member",
    }
    told = [{key: value for key, value in row.items() if value is not None} for row in found]
    assert told[0] == visit | {
        "event_name": "page_view",
        "occurred_at": datetime(2026, 3, 14, 10, 29, 50),
        "page_path": "/p/42",
        "referrer_host": "www.google.com",
        "item_id": "P42",
        "engaged_seconds": Decimal(70),
    }
    assert [(row["event_name"], row.get("page_path"), row.get("revenue")) for row in told] == [
        ("page_view", "/p/42", None),
        ("goal: Seen a product", "/p/42", None),
        ("search", "/search", None),
        ("Play", "/p/42", None),
        ("file_download", None, None),
        ("click", None, None),
        ("select_content", "/", None),
        ("abandoned_cart", None, None),
        ("purchase", None, Decimal(44)),
    ]
    assert "referrer_host" not in told[2] and told[-1]["order_id"] == "O-17"


def test_the_items_of_carts_and_orders_are_rows(warehouse: BuiltWarehouse) -> None:
    items = warehouse.rows(
        """
        select event_name, items.item_id, item_name, item_category, price::double as price, quantity
        from marts.event_items as items inner join marts.events using (event_id)
        where events.source_name = 'kinds' order by occurred_at, item_position
        """
    )
    both = [("P42", "Teapot", "Kitchen", 19.9, 2), ("P7", "Cup", None, 4.2, 1)]
    assert [tuple(row.values()) for row in items] == [
        ("page_view", "P42", "Teapot", "Kitchen", 19.9, None),
        *(("abandoned_cart", *item) for item in both),
        *(("purchase", *item) for item in both),
    ]


@pytest.mark.parametrize("source_name", ["kinds", "kinds_again"])
def test_two_sources_of_the_kind_stand_side_by_side(
    warehouse: BuiltWarehouse, source_name: str
) -> None:
    assert accounts(warehouse, source_name) == {
        "read": 11,
        "accepted": 9,
        "rejected": 2,
        "duplicate": 0,
        "superseded": 0,
    }
    rejected = warehouse.rows(
        "select reason from quality.rejected_records where source_name = $1 order by all",
        [source_name],
    )
    assert [row["reason"] for row in rejected] == ["missing_records", "missing_timestamp"]
