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
from orchestration.dbt import run_child

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


# In dbt's place: says its number, and lives until it is killed, or for a minute.
WRITER = "import os, signal; signal.alarm(60); print(os.getpid(), flush=True); signal.pause()"
STARTED_BY_US = """
import functools, os, sys
from pathlib import Path
from orchestration.dbt import run_child
from orchestration.locking import hold
told = functools.partial(print, flush=True) if sys.argv[3] == "told" else None
with hold(Path(sys.argv[1]), "clickstream run"):
    run_child([sys.executable, "-c", sys.argv[2]], os.environ, told)
"""
# As dagster-dbt does, which hands on none but the standard descriptors.
STARTED_BY_OTHERS = """
import subprocess, sys
from pathlib import Path
from orchestration import locking
with locking.hold(Path(sys.argv[1]), "clickstream run") as lock:
    with locking.as_standard_input(lock):
        child = subprocess.Popen([sys.executable, "-c", sys.argv[2]])
    locking.name_child(child.pid)
    child.wait()
"""


@pytest.mark.parametrize(
    ("program", "output"),
    [(STARTED_BY_US, "told"), (STARTED_BY_US, "shown"), (STARTED_BY_OTHERS, "shown")],
)
def test_the_lock_lasts_as_long_as_the_dbt_of_a_killed_holder(tmp_path, program, output):
    path = tmp_path / "warehouse.lock"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path), WRITER, output],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        writer = int(process.stdout.readline())
        deadline = time.monotonic() + 30
        while str(writer) not in path.read_text() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert locking.holder(path).pid == process.pid
        process.kill()
    holder = locking.holder(path)
    os.kill(writer, signal.SIGKILL)
    assert (holder.pid, holder.command) == (writer, "dbt of clickstream run")
    with locking.hold(path, "clickstream load", wait_seconds=30, say=lambda _: None):
        pass


def test_the_dbt_of_an_interrupted_holder_ends_before_the_lock_is_released():
    writers = []

    def interrupt(line):
        writers.append(int(line))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_child([sys.executable, "-c", WRITER], os.environ, interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(writers[0], 0)


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
