"""Objects of a store are loaded as files are; what the store does wrong is said, not hidden."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from orchestration.loading import stores
from orchestration.loading.finding import find_files
from orchestration.loading.reasons import FileRefused
from orchestration.loading.stores import StoredObject, StoreUnreachable, list_objects
from tests.unit.test_loading import TYPED, Shop

STORE = fsspec.filesystem("memory")


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """Give a shop whose exports are objects under memory://exports/."""
    STORE.store.clear()
    here = Shop(tmp_path, TYPED)
    here.source = replace(here.source, path="memory://exports/")
    yield here
    here.connection.close()
    STORE.store.clear()


def put(key: str, *ids: str) -> None:
    content = "".join(json.dumps({"id": each}) + "\n" for each in ids)
    STORE.pipe_file(f"/exports/{key}", content.encode())


def found(shop: Shop, path: str) -> list[str]:
    files, problem = find_files(replace(shop.source, path=path))
    assert problem is None
    return [file.shown_path for file in files]


def statuses(shop: Shop) -> list[tuple[str, str | None]]:
    return [(file.status, file.reason) for file in shop.load().files]


# ---------------------------------------------------------------- which objects


def test_a_prefix_is_searched_with_all_below_it(shop: Shop) -> None:
    for key in ("b.jsonl", "day/a.jsonl", ".hidden", "_SUCCESS", ".tmp/a.jsonl", "c.jsonl.part"):
        put(key, "1")
    STORE.pipe_file("/elsewhere/a.jsonl", b"")
    assert found(shop, "memory://exports/") == [
        "memory://exports/b.jsonl",
        "memory://exports/day/a.jsonl",
    ]
    assert found(shop, "memory://exports") == found(shop, "memory://exports/")
    assert found(shop, "memory://exports/b.jsonl") == ["memory://exports/b.jsonl"]
    assert found(shop, "memory://exports/none/") == []


def test_a_glob_finds_objects_and_all_below_a_prefix_that_it_matches(shop: Shop) -> None:
    for key in ("1/a.jsonl", "1/a.csv", "2/b.jsonl", "20/deep/c.jsonl"):
        put(key, "1")
    assert found(shop, "memory://exports/*/*.jsonl") == [
        "memory://exports/1/a.jsonl",
        "memory://exports/2/b.jsonl",
    ]
    assert found(shop, "memory://exports/2*") == [
        "memory://exports/2/b.jsonl",
        "memory://exports/20/deep/c.jsonl",
    ]
    assert found(shop, "memory://exports/**/c.jsonl") == ["memory://exports/20/deep/c.jsonl"]


def test_an_object_is_described_by_whatever_its_client_calls_it() -> None:
    described = stores._described(
        None, "b/k", {"size": 3, "etag": '"e"', "updated": "2026-03-14T10:30:03.512Z"}, "gs://b/k"
    )
    assert (described.size_bytes, described.etag) == (3, "e")
    assert described.modified_at.isoformat() == "2026-03-14T10:30:03.512000"


# ---------------------------------------------------------------- loaded


def test_objects_are_loaded_once_under_their_urls(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("a.jsonl", "1", "2")
    put("b.jsonl", "3")
    assert statuses(shop) == [("loaded", None)] * 2
    assert [path for path, _, _ in shop.statuses()] == [
        "memory://exports/a.jsonl",
        "memory://exports/b.jsonl",
    ]
    assert len(shop.rows()) == 3
    # Nothing is read to tell that nothing changed.
    monkeypatch.setattr(StoredObject, "chunks", None)
    assert statuses(shop) == [("unchanged", None)] * 2


def test_an_object_that_is_replaced_is_loaded_again(shop: Shop) -> None:
    put("a.jsonl", "1")
    shop.load()
    put("a.jsonl", "2")
    assert statuses(shop) == [("loaded", None)]
    assert shop.rows("id", order="id") == [("1",), ("2",)]


def test_an_object_that_changes_while_it_is_read_is_not_ready(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("a.jsonl", "1")
    original = StoredObject.chunks

    def chunks(self: StoredObject) -> Iterator[bytes]:
        yield from original(self)
        put("a.jsonl", "2")

    with monkeypatch.context() as patch:
        patch.setattr(StoredObject, "chunks", chunks)
        assert statuses(shop) == [("not_ready", None)]
    assert statuses(shop) == [("loaded", None)]
    assert shop.rows("id") == [("2",)]


def tag(monkeypatch: pytest.MonkeyPatch, etag: str) -> None:
    """Let the store tag its objects; as some do, it lists times finer than it describes one."""
    original = MemoryFileSystem.info
    told = {path: MemoryFileSystem.info(STORE, path) for path in STORE.store}
    second = dict.fromkeys(told, datetime(2026, 3, 14, 10, 30, 3))
    listed = {
        path: {**each, "ETag": etag, "created": second[path] + timedelta(milliseconds=512)}
        for path, each in told.items()
    }

    def info(self: Any, path: str, **more: Any) -> Any:
        return {**original(self, path, **more), "ETag": etag, "created": second[path]}

    monkeypatch.setattr(MemoryFileSystem, "find", lambda *_, **__: listed)
    monkeypatch.setattr(MemoryFileSystem, "info", info)


def test_tags_decide_where_times_are_told_differently(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("a.jsonl", "1")
    tag(monkeypatch, '"1"')
    assert statuses(shop) == [("loaded", None)]


def test_an_object_replaced_at_the_same_time_by_one_of_the_same_size_is_loaded(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in ("1", "2", "2"):
        put("a.jsonl", number)
        with monkeypatch.context() as patch:
            tag(patch, f'"{number}"')
            shop.load()
    assert shop.rows("id", order="id") == [("1",), ("2",)]
    assert len(shop.statuses()) == 2


def test_a_local_url_is_a_store_as_well(shop: Shop) -> None:
    shop.put("a.jsonl", [{"id": "1"}])
    shop.source = replace(shop.source, path=f"file://{shop.inbox}/*.jsonl")
    assert statuses(shop) == [("loaded", None)]
    assert statuses(shop) == [("unchanged", None)]


def test_an_object_that_settles_is_left_alone(shop: Shop) -> None:
    put("a.jsonl", "1")
    shop.source = replace(shop.source, settle_seconds=60)
    assert statuses(shop) == [("not_ready", None)]


@pytest.mark.parametrize("failure", [PermissionError("Forbidden"), FileNotFoundError("gone")])
def test_one_object_that_fails_is_refused_and_tried_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    put("a.jsonl", "1")
    put("b.jsonl", "2")
    original = type(STORE).open

    def open_(self: Any, path: str, *arguments: Any, **more: Any) -> Any:
        if path.endswith("a.jsonl"):
            raise failure
        return original(self, path, *arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(type(STORE), "open", open_)
        assert statuses(shop) == [("refused", "unreadable"), ("loaded", None)]
    assert statuses(shop) == [("loaded", None), ("unchanged", None)]


def test_a_store_that_goes_away_ends_the_source_with_what_is_loaded(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in "abc":
        put(f"{key}.jsonl", key)
    original = type(STORE).info
    listed = STORE.find("/exports", detail=True)

    def info(self: Any, path: str, **more: Any) -> Any:
        if path.endswith("b.jsonl"):
            raise ConnectionError("connection refused")
        return original(self, path, **more)

    with monkeypatch.context() as patch:
        patch.setattr(type(STORE), "info", info)
        patch.setattr(type(STORE), "find", lambda *_, **__: listed)
        summary = shop.load()
    assert [file.status for file in summary.files] == ["loaded"]
    assert summary.problem == (
        "memory://exports/b.jsonl cannot be read: connection refused; check the network, and the "
        "endpoint in the environment; then load again"
    )
    assert list((shop.folder / "landing").iterdir()) == []
    assert statuses(shop) == [("unchanged", None), ("loaded", None), ("loaded", None)]


# ---------------------------------------------------------------- out of reach


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("nosuch://bucket/x", "Protocol not known: nosuch"),
        # fsspec knows it, and its client is none of this project's.
        ("dropbox://folder", "install this project with its extra for the store"),
    ],
)
def test_a_store_that_cannot_be_reached_is_told_in_one_line(url: str, told: str) -> None:
    with pytest.raises(StoreUnreachable) as error:
        list_objects(url)
    message = str(error.value)
    assert message.startswith(f"{url} cannot be read: ")
    assert told in message
    assert "\n" not in message


class NoCredentialsError(Exception):
    """As the client of S3 has one, which is no OSError."""


@pytest.mark.parametrize(
    ("failure", "advice"),
    [
        (PermissionError("Access Denied"), "check the credentials in the environment"),
        (NoCredentialsError("Unable to locate credentials"), "check the credentials"),
        (FileNotFoundError("The specified bucket does not exist"), "check `path` in sources.yml"),
        (ConnectionError("refused"), "check the network"),
        (ImportError("Install s3fs to access S3"), "its extra for the store: s3, gcs or azure"),
    ],
)
def test_what_is_wrong_comes_with_what_to_do(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, failure: Exception, advice: str
) -> None:
    def find(*_: Any, **__: Any) -> None:
        raise failure

    monkeypatch.setattr(type(STORE), "find", find)
    summary = shop.load()
    assert summary.files == ()
    assert summary.problem is not None
    assert str(failure) in summary.problem
    assert advice in summary.problem


def test_an_object_says_why_it_is_refused() -> None:
    gone = StoredObject("memory://gone", 1, stores._moment(None), None, "/gone", STORE)
    with pytest.raises(FileRefused, match="unreadable: .*gone"):
        list(gone.chunks())
