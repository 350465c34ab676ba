"""A file that a process has open to write is left alone, however complete it looks."""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestration.loading import landing
from orchestration.loading.finding import describe
from tests.unit.test_loading import TYPED, Shop

pytestmark = pytest.mark.skipif(
    not hasattr(fcntl, "F_SETLEASE"), reason="only Linux tells who has a file open"
)

WRITER = """
import sys
file = open(sys.argv[1], sys.argv[2])
if sys.argv[2] != "r":
    file.write(sys.argv[3])
    file.flush()
print("open", flush=True)
sys.stdin.readline()
"""


@contextmanager
def process_with(path: Path, mode: str, text: str = "") -> Iterator[None]:
    """Hold the file open in another process."""
    command = [sys.executable, "-c", WRITER, str(path), mode, text]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        try:
            yield
        finally:
            process.stdin.close()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    here = Shop(tmp_path, TYPED)
    yield here
    here.connection.close()


def statuses(here: Shop) -> list[str]:
    return [file.status for file in here.load().files]


@pytest.mark.parametrize("mode", ["w", "a", "r+"])
def test_a_file_that_a_process_writes_is_not_ready_until_it_is_closed(
    shop: Shop, mode: str
) -> None:
    path = shop.inbox / "a.jsonl"
    path.touch()
    with process_with(path, mode, json.dumps({"id": "1"}) + "\n"):
        assert statuses(shop) == ["not_ready"]
        assert shop.query("from raw.load_files") == []
    assert statuses(shop) == ["loaded"]
    assert shop.rows("id") == [("1",)]


def test_a_file_that_is_only_read_is_loaded(shop: Shop) -> None:
    path = shop.put("a.jsonl", [{"id": "1"}])
    with process_with(path, "r"):
        assert statuses(shop) == ["loaded"]


def test_the_other_files_are_loaded(shop: Shop) -> None:
    shop.put("a.jsonl", [{"id": "1"}])
    shop.put("c.jsonl", [{"id": "3"}])
    with process_with(shop.inbox / "b.jsonl", "w", '{"id": "2"}'):
        assert statuses(shop) == ["loaded", "not_ready", "loaded"]


def test_looking_leaves_no_descriptor_open(shop: Shop) -> None:
    found = describe(shop.put("a.jsonl", [{"id": "1"}]), shop.folder)
    assert found is not None
    descriptors = len(os.listdir("/proc/self/fd"))
    assert not landing.is_being_written(found)
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_where_the_system_cannot_tell_the_file_is_read(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "the file is another user's")

    monkeypatch.setattr(landing.fcntl, "fcntl", refuse)
    with process_with(shop.inbox / "a.jsonl", "w", '{"id": "1"}\n'):
        assert statuses(shop) == ["loaded"]


def test_a_file_that_changes_while_it_is_copied_is_not_ready(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shop.put("a.jsonl", [{"id": "1"}])
    original: Callable[..., bytes] = landing._read

    def read(source: object) -> bytes:
        chunk = original(source)
        if not chunk:
            # Not blocking: the look at who has the file open must hold no writer up.
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK)
            os.write(descriptor, b'{"id": "2"}\n')
            os.close(descriptor)
        return chunk

    monkeypatch.setattr(landing, "_read", read)
    assert statuses(shop) == ["not_ready"]
