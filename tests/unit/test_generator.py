"""The generated exports are the same for a seed, are loaded whole, and are skewed as promised."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from benchmarks.generate import EXPORTS, World, generate, open_world
from orchestration import operations
from orchestration.loading import open_warehouse
from orchestration.settings import read_settings

# Among so few devices, this seed shares one and makes none of the most active a crawler.
WORLD = World(events=20_000, days=6, seed=5)


def digests(output: Path) -> dict[str, str]:
    return {
        str(path.relative_to(output)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(output.rglob("events_*"))
    }


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("exports")
    generate(WORLD, output, threads=2)
    return output


@pytest.fixture(scope="module")
def generic(exports: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    connection.execute(
        f"create table deliveries as from read_csv('{exports}/generic/*', all_varchar = true)"
    )
    return connection


def one(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    return connection.execute(query).fetchall()[0]


def test_the_same_seed_gives_the_same_files_whatever_the_threads(
    exports: Path, tmp_path: Path
) -> None:
    generate(WORLD, tmp_path, threads=1, memory_limit="500MB")
    assert len(digests(tmp_path)) == len(EXPORTS) * WORLD.days
    assert digests(tmp_path) == digests(exports)


def test_another_seed_gives_other_files(exports: Path, tmp_path: Path) -> None:
    generate(replace(WORLD, seed=4), tmp_path, ["generic"])
    assert not set(digests(tmp_path).values()) & set(digests(exports).values())


def test_every_export_is_loaded_whole_and_tells_of_the_same_events(
    exports: Path, tmp_path: Path
) -> None:
    settings = read_settings(
        {
            "CLICKSTREAM_DATA_DIR": str(tmp_path),
            "CLICKSTREAM_SOURCES": str(exports / "sources.yml"),
        }
    )
    with operations.warehouse_lock(settings, "test"):
        loads = operations.load(settings)
    assert {load.source.name for load in loads} == set(EXPORTS)
    assert [load.summary.count("loaded") for load in loads] == [WORLD.days] * len(EXPORTS)
    assert [load.summary.rejected for load in loads] == [0] * len(EXPORTS)
    read = {load.source.name: load.summary.read for load in loads}
    assert len({read[name] for name in EXPORTS if name != "access_log"}) == 1
    with open_warehouse(
        settings.warehouse_path, memory_limit="500MB", threads=2, temp_dir=settings.temp_dir
    ) as warehouse:
        # Parquet and JSON lines hold the same values, and the same nothing.
        columns = (
            "* exclude (_source_name, _file_id, _loaded_at, event_params), "
            "list_transform(event_params, lambda each: each.key), "
            "list_transform(event_params, lambda each: "
            "coalesce(each.value.string_value, each.value.int_value::varchar))"
        )
        rows = f"select {columns} from raw.ga4_events where _source_name ="
        left, right = f"{rows} 'ga4_parquet'", f"{rows} 'ga4_json'"
        assert one(warehouse, f"select count(*) from ({left} except all {right})") == (0,)
        assert one(warehouse, "select count(_other_fields) from raw.ga4_events") == (0,)
        views = "event_name = 'page_view'"
        (hits,) = one(warehouse, "select count(*) from raw.access_log_requests")
        assert (hits,) == one(
            warehouse, f"select count(distinct event_id) from raw.generic_events where {views}"
        )


def test_as_many_events_as_asked_for(generic: duckdb.DuckDBPyConnection) -> None:
    (events,) = one(generic, "select count(distinct id) from deliveries")
    assert events == pytest.approx(WORLD.events, rel=0.05)


def test_some_events_come_twice_and_some_late(generic: duckdb.DuckDBPyConnection) -> None:
    share_repeated, share_late, latest = one(
        generic,
        """
        select
            avg((deliveries > 1)::integer),
            avg((delay >= interval 1 hour)::integer),
            max(delay)
        from (
            select
                id,
                count(*) as deliveries,
                min(occurred_at::timestamp) as happened_at,
                min(received_at::timestamp) - min(occurred_at::timestamp) as delay
            from deliveries
            group by id
        )
        -- what comes late of the last days is yet to come
        where happened_at < (select max(occurred_at::timestamp) - interval 3 days from deliveries)
        """,
    )
    assert share_repeated == pytest.approx(0.005, rel=0.3)
    assert share_late == pytest.approx(0.01, rel=0.3)
    assert 2 < latest.total_seconds() / 86_400 <= 3


def test_a_file_holds_what_arrived_on_its_day(exports: Path) -> None:
    wrong, files = one(
        duckdb.connect(),
        f"""
        select
            count(*) filter (
                strftime(received_at::timestamp, '%Y%m%d')
                <> regexp_extract(filename, 'events_(\\d+)', 1)
            ),
            count(distinct filename)
        from read_csv('{exports}/generic/*', all_varchar = true, filename = true)
        """,
    )
    assert (wrong, files) == (0, WORLD.days)


def test_every_day_is_worth_as_much_and_nobody_comes_beyond_belief(tmp_path: Path) -> None:
    with open_world(World(200_000), tmp_path, "500MB", 2) as world:
        least, most = one(
            world,
            """
            select min(visits) / avg(visits), max(visits) / avg(visits)
            from (select count(*) as visits from sessions where visitor = 'person' group by day)
            """,
        )
        assert 0.85 < least < 1 < most < 1.15
        (visits,) = one(
            world,
            """
            select max(visits) from (
                select count(*) as visits from sessions
                where visitor = 'person' group by device, day
            )
            """,
        )
        assert 5 < visits < 30


def test_activity_is_skewed_and_one_device_outdoes_all(
    generic: duckdb.DuckDBPyConnection,
) -> None:
    counts = [
        count
        for (count,) in generic.execute(
            "select count(*) from deliveries group by visitor order by 1 desc"
        ).fetchall()
    ]
    total = sum(counts)
    assert counts[0] / total == pytest.approx(WORLD.largest_device, rel=0.15)
    assert counts[1] < counts[0] / 1.5
    assert sum(counts[: len(counts) // 10]) > 0.3 * total


def test_funnels_narrow_step_by_step(generic: duckdb.DuckDBPyConnection) -> None:
    steps = one(
        generic,
        "select "
        + ", ".join(
            f"count(distinct id) filter (event = '{event}')"
            for event in ("page_view", "view_item", "add_to_cart", "begin_checkout", "purchase")
        )
        + " from deliveries",
    )
    assert list(steps) == sorted(steps, reverse=True)
    assert len(set(steps)) == len(steps)
    assert steps[-1] > 0


def test_people_log_in_on_two_devices_and_share_one(generic: duckdb.DuckDBPyConnection) -> None:
    most_devices, most_users, known = one(
        generic,
        """
        select
            (
                select max(devices) from (
                    select count(distinct visitor) as devices
                    from deliveries where user_id is not null group by user_id
                )
            ),
            (
                select max(users) from (
                    select count(distinct user_id) as users from deliveries group by visitor
                )
            ),
            avg((user_id is not null)::integer)
        from deliveries
        """,
    )
    assert (most_devices, most_users) == (2, 2)
    assert 0.05 < known < 0.3
