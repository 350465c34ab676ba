"""Logs of web servers, load balancers and CDNs yield the requests of the log they were made of."""

import gzip
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures import blog_requests, encode_alb, encode_cloudflare, encode_cloudfront
from tests.fixtures import encode_iis as iis
from tests.references.same_events import account_of, requests_of
from tests.references.warehouses import BuiltWarehouse, build_tables, load, settings_in

KINDS = ("iis", "cloudfront", "alb", "cloudflare")
COUNT = blog_requests.REQUEST_COUNT


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> BuiltWarehouse:
    folder = tmp_path_factory.mktemp("request_logs")
    found = list(blog_requests.requests())
    other = {
        # what a second source of the kind writes otherwise
        "iis": iis.header(iis.FIELDS_OF_A_NEW_SETUP)
        + iis.encoded(found, iis.FIELDS_OF_A_NEW_SETUP),
        "cloudfront": encode_cloudfront.encoded(found, twice=True),
        "alb": encode_alb.encoded(found, later=""),
        "cloudflare": encode_cloudflare.encoded(found, encode_cloudflare.unix_nanoseconds),
    }
    sources = [write(folder, "original", "access_log", "".join(blog_requests.lines()))]
    for kind, log, traps in (
        ("iis", iis.LOG, iis.TRAPS),
        ("cloudfront", encode_cloudfront.LOG, encode_cloudfront.TRAPS),
        ("alb", encode_alb.LOG, encode_alb.TRAPS),
        ("cloudflare", encode_cloudflare.LOG, encode_cloudflare.TRAPS),
    ):
        sources.append(write(folder, kind, kind, log))
        sources.append(write(folder, f"other_{kind}", kind, other[kind]))
        sources.append(write(folder, f"odd_{kind}", kind, traps))
    settings = settings_in(folder, sources)
    load(settings)
    build_tables(settings)
    return BuiltWarehouse(settings)


def write(folder: Path, name: str, kind: str, content: str | Path) -> dict[str, Any]:
    """Deliver a file for a source of its own, and return the source."""
    (folder / name).mkdir()
    if isinstance(content, Path):
        shutil.copy(content, folder / name)
    else:
        (folder / name / "requests.log").write_bytes(content.encode())
    own_hosts = [blog_requests.HOST]
    return {"name": name, "kind": kind, "path": name, "own_hosts": own_hosts}


def test_the_fixtures_are_what_their_scripts_write() -> None:
    found = list(blog_requests.requests())
    assert iis.LOG.read_bytes().decode() == iis.text()
    assert iis.TRAPS.read_bytes().decode() == iis.TRAPS_TEXT
    for script in (encode_cloudfront, encode_alb, encode_cloudflare):
        assert gzip.decompress(script.LOG.read_bytes()).decode() == script.encoded(found)
        assert gzip.decompress(script.TRAPS.read_bytes()).decode() == script.traps()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("prefix", ["", "other_"])
def test_the_requests_are_those_of_the_original(
    warehouse: BuiltWarehouse, kind: str, prefix: str
) -> None:
    expected = requests_of(warehouse, "original")
    assert len(expected) == COUNT
    found = requests_of(warehouse, prefix + kind)
    for row in expected:
        if kind == "iis" and row["user_agent"]:  # the server writes a space and a plus sign alike
            row["user_agent"] = row["user_agent"].replace("+", " ")
        if kind == "alb":
            row["referrer_url"] = None
    assert found == sorted(expected, key=repr)
    assert account_of(warehouse, prefix + kind) == [("loaded", COUNT, COUNT, 0, 0)]


@pytest.mark.parametrize(
    ("kind", "host_count"),
    [("iis", 100), ("cloudfront", COUNT), ("alb", COUNT), ("cloudflare", COUNT)],
)
def test_a_page_has_its_host_where_the_log_knows_it(
    warehouse: BuiltWarehouse, kind: str, host_count: int
) -> None:
    found = warehouse.rows(
        "select page_host, count(*) as n from marts.events "
        "where source_name = $1 and page_host is not null group by all",
        [kind],
    )
    assert found == [{"page_host": blog_requests.HOST, "n": host_count}]


@pytest.mark.parametrize(
    ("kind", "account", "reasons"),
    [
        (
            "iis",
            ("loaded", 10, 5, 5, 0),
            [
                "invalid_request",
                "missing_header",
                "missing_timestamp",
                "truncated_record",
                "wrong_column_count",
            ],
        ),
        ("cloudfront", ("loaded", 8, 6, 1, 1), ["wrong_column_count"]),
        (
            "alb",
            ("loaded", 8, 5, 3, 0),
            ["invalid_request", "invalid_request", "line_not_matched"],
        ),
        (
            "cloudflare",
            ("loaded", 9, 5, 3, 1),
            ["invalid_request", "invalid_timestamp", "unknown_record_type"],
        ),
    ],
)
def test_odd_lines_end_where_they_should(
    warehouse: BuiltWarehouse, kind: str, account: tuple[Any, ...], reasons: list[str]
) -> None:
    assert account_of(warehouse, f"odd_{kind}") == [account]
    found = warehouse.rows(
        "select reason from quality.rejected_records where source_name = $1 order by all",
        [f"odd_{kind}"],
    )
    assert [row["reason"] for row in found] == reasons


def test_identical_lines_without_an_id_are_hits_of_their_own(warehouse: BuiltWarehouse) -> None:
    found = warehouse.rows(
        "select source_name, page_url, count(*) as n from marts.events "
        "where source_name in ('odd_iis', 'odd_cloudfront', 'odd_alb') "
        "group by all having n > 1 order by all"
    )
    assert [tuple(row.values()) for row in found] == [
        ("odd_alb", "https://shop.example/p?utm_source=news", 3),
        ("odd_cloudfront", "/café", 2),
        ("odd_iis", "/twice", 2),
    ]


def test_what_a_log_has_beyond_its_kind_is_kept(warehouse: BuiltWarehouse) -> None:
    found = warehouse.rows(
        """
        select source_name, properties->'$.other_fields'->>'$.DistributionId' as value
        from marts.events where source_name = 'odd_cloudfront' and value is not null
        union all
        select source_name, properties->'$.other_fields'->>'$.EdgeColoCode'
        from marts.events where source_name = 'other_cloudflare'
        union all
        select source_name, split_part(properties->>'$.later_fields', ' ', 5)
        from marts.events where source_name = 'alb'
        """
    )
    assert sorted({tuple(row.values()) for row in found}) == [
        ("alb", "TID_7e2c0f5a"),
        ("odd_cloudfront", "E2KF"),
        ("other_cloudflare", "FRA"),
    ]
