"""One process writes the warehouse at a time; the others wait, and are told for whom."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import contextmanager

import pytest

from orchestration import locking

HOLDER = """
import sys, time
from pathlib import Path
from orchestration.locking import hold
with hold(Path(sys.argv[1]), "clickstream run"):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


@contextmanager
def somebody_holding(path, seconds=60):
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLDER), str(path), str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_whoever_comes_second_waits_and_is_told_once_for_whom(tmp_path):
    path = tmp_path / "warehouse.lock"
    said = []
    with somebody_holding(path, seconds=1) as process:
        with locking.hold(path, "clickstream load", wait_seconds=600, say=said.append):
            pass
        assert process.wait(timeout=5) == 0
    assert len(said) == 1
    assert said[0].startswith(f"warehouse busy: PID {process.pid} (clickstream run) since ")
    assert said[0].endswith("; waiting up to 10 min")


def test_waiting_ends_with_an_error_that_says_who_is_at_work(tmp_path):
    path = tmp_path / "warehouse.lock"
    with (
        somebody_holding(path) as process,
        pytest.raises(locking.WarehouseBusy, match=rf"PID {process.pid} \(clickstream run\)"),
        locking.hold(path, "clickstream load", wait_seconds=0.3, say=lambda _: None),
    ):
        pass


def test_the_lock_of_a_killed_process_is_free_at_once(tmp_path):
    path = tmp_path / "warehouse.lock"
    with somebody_holding(path) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        started = time.monotonic()
        with locking.hold(path, "clickstream load", wait_seconds=5, say=pytest.fail):
            assert time.monotonic() - started < 1


def test_the_holder_is_known_while_it_holds_and_forgotten_after(tmp_path):
    path = tmp_path / "warehouse.lock"
    assert locking.holder(path) is None
    with locking.hold(path, "clickstream build"):
        holder = locking.holder(path)
        assert (holder.pid, holder.command) == (os.getpid(), "clickstream build")
    assert locking.holder(path) is None


def test_an_error_inside_releases_the_lock(tmp_path):
    path = tmp_path / "warehouse.lock"
    with pytest.raises(ZeroDivisionError), locking.hold(path, "clickstream build"):
        raise ZeroDivisionError
    assert locking.holder(path) is None
