"""Every file of the battery of bad inputs ends as the battery says: loaded, rejected or refused.

The battery counts records after the whole pipeline. The loader judges only what is physical:
records that it loads may still be rejected, or found to be duplicates, by the models. So its
outcome is compared with the battery's after `physical` has counted those as loaded.
"""

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.loading import create_raw_tables, load_source, open_warehouse
from orchestration.sources import RawTable, Source, read_raw_tables

PROJECT = Path(__file__).resolve().parents[2]
BATTERY = PROJECT.parent / "shared" / "data" / "bad_inputs"
STAGING = PROJECT / "dbt_project" / "models" / "staging"

KIND_OF = {
    "generic": "generic",
    "ga4": "ga4",
    "snowplow": "snowplow",
    "weblog": "access_log",
    "segment": "segment",
    "amplitude": "amplitude",
}

MAPPING = {
    "event_id": "event_id",
    "event_name": "event",
    "occurred_at": "timestamp",
    "user_id": "user_id",
    "device_id": "anonymous_id",
    "revenue": "properties.revenue",
    "currency": "properties.currency",
}

# The loader's words, in the battery's.
REASON_IN_BATTERY = {
    "control_character": "invalid_json",
    "line_not_matched": "log_line_unparsed",
    "gzip_corrupt": "gzip_crc",
    "unterminated_quote": "csv_unterminated_quote",
    "duplicate_header": "csv_duplicate_header",
    # The battery knows no zip; its `zip_instead` only begins like one and has no directory.
    "zip_corrupt": "unsupported_container",
}

# Cases with a file that the loader refuses until its source's `max_rejected_share` lets it pass.
OVER_THE_LIMIT = {"bad_rate_over_threshold"}

# What only the models can judge: for the loader, such records are loaded.
JUDGED_BY_MODELS = {
    "timestamp_out_of_window",
    "timestamp_unparseable",
    "timestamp_missing",
    "event_id_conflict",
    "event_id_invalid",
    "event_name_invalid",
    "event_name_too_long",
    "contexts_invalid_json",
    "unknown_record_type",
}


@dataclass(frozen=True)
class Outcome:
    """Records read, by what became of them, and what became of files as a whole."""

    read: int
    loaded: int
    superseded: int
    rejected: dict[str, int] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Battery:
    """One case of the battery: its steps are delivered one after the other."""

    case: dict[str, Any]

    @property
    def folder(self) -> Path:
        return BATTERY / self.case["id"]

    @property
    def steps(self) -> list[dict[str, Any]]:
        return self.case["steps"]

    def deliver(self, number: int, inbox: Path) -> None:
        """Put the files of the step into the source's folder."""
        inbox.mkdir(exist_ok=True)
        for name, target in self.case["special"].get("symlink", {}).items():
            if not (inbox / name).is_symlink():
                (inbox / name).symlink_to(target)
        for name in self.case["special"].get("fifo", []):
            if not (inbox / name).exists():
                os.mkfifo(inbox / name)
        for position, file in enumerate(self.steps[number]["files"]):
            target = inbox / file["name"]
            target.parent.mkdir(parents=True, exist_ok=True)
            if "write_at_test_time" in self.case["special"]:
                record = {"event": "page_view", "event_id": f"n{position}", "user_id": "u"}
                record["timestamp"] = "2026-11-01T10:00:00Z"
                target.write_text(json.dumps(record) + "\n")
            else:
                shutil.copyfile(self.folder / f"step{number + 1}" / file["name"], target)
            if file["name"] in self.case["special"].get("chmod", {}):
                target.chmod(self.case["special"]["chmod"][file["name"]])

    def source(self, inbox: Path, raw_table: RawTable) -> Source:
        """Return the source that reads the folder as the case configures it."""
        config = self.case["config"]
        return Source(
            name="battery",
            kind=raw_table.kind,
            path=str(inbox),
            project_dir=inbox.parent,
            timezone=config.get("source_timezone", "UTC"),
            on_redelivery=config.get("on_redelivery", "append"),
            mapping=MAPPING if raw_table.mapped else {},
            settle_seconds=config.get("settle_seconds", 0),
        )

    def load(
        self,
        number: int,
        connection: duckdb.DuckDBPyConnection,
        source: Source,
        raw_table: RawTable,
        landing_dir: Path,
    ) -> None:
        """Load the step; a file of which too much is bad is taken once somebody has agreed."""
        summary = load_source(connection, source, raw_table, landing_dir)
        refused = [file for file in summary.files if file.has_too_many_rejections]
        assert bool(refused) == (self.case["id"] in OVER_THE_LIMIT)
        if refused:
            assert self.steps[number]["expect"]["flags"]["bad_rate_exceeded"] == len(refused)
            load_source(connection, replace(source, max_rejected_share=1), raw_table, landing_dir)


def battery_cases() -> Iterator[Any]:
    """Yield the cases of the battery as parameters, none where there is no battery."""
    manifest = BATTERY / "manifest.json"
    if manifest.exists():
        for case in json.loads(manifest.read_text())["cases"]:
            yield pytest.param(Battery(case), id=case["id"])


@pytest.fixture(scope="module")
def raw_tables() -> dict[str, RawTable]:
    return read_raw_tables(STAGING)


@pytest.mark.skipif(not BATTERY.exists(), reason="the battery of bad inputs is not here")
@pytest.mark.parametrize("battery", list(battery_cases()))
def test_the_loader_ends_each_case_as_the_battery_says(
    battery: Battery, tmp_path: Path, raw_tables: dict[str, RawTable]
) -> None:
    raw_table = raw_tables.get(KIND_OF[battery.case["source"]])
    if raw_table is None:
        pytest.skip(f"no staging twin of the kind {battery.case['source']} yet")
    inbox = tmp_path / "inbox"
    with open_warehouse(
        tmp_path / "w.duckdb", memory_limit="1GB", threads=2, temp_dir=tmp_path / "tmp"
    ) as connection:
        source = battery.source(inbox, raw_table)
        create_raw_tables(connection, raw_tables, [source])
        for number in range(len(battery.steps)):
            battery.deliver(number, inbox)
            battery.load(number, connection, source, raw_table, tmp_path / "landing")
            assert_accounts_balance(connection, raw_table)
            found = loader_outcome(connection, source)
            assert_is_one_of(found, list(expected_outcomes(battery, number)))


def test_every_reason_of_the_loader_is_documented() -> None:
    from orchestration.loading import REFUSAL_REASONS, REJECTION_REASONS

    assert set(REASON_IN_BATTERY) <= set(REJECTION_REASONS) | set(REFUSAL_REASONS)
    assert not JUDGED_BY_MODELS & (set(REJECTION_REASONS) | set(REFUSAL_REASONS))


# ---------------------------------------------------------------- what came out


def loader_outcome(connection: duckdb.DuckDBPyConnection, source: Source) -> Outcome:
    """Return what the loader's own tables say; a repeated file counts as what it repeats."""
    rows = connection.execute(
        """
        select
            delivery.path, delivery.status, delivery.reason,
            coalesce(original.records_read, delivery.records_read) as records_read,
            delivery.records_loaded, delivery.superseded_by_file_id is not null as is_superseded
        from raw.load_files as delivery
        left join raw.load_files as original
            on delivery.status = 'repeated'
            and original.status = 'loaded'
            and original.file_id = delivery.file_id
        order by delivery.load_id
        """
    ).fetchall()
    prefix = Path(source.path).name + "/"
    files = {}
    for path, status, reason, read, _, _ in rows:
        name = path.removeprefix(prefix)
        if status == "refused":
            files[name] = f"quarantined:{REASON_IN_BATTERY.get(reason, reason)}"
        elif status == "repeated":
            files[name] = "skipped:duplicate_file"
        else:
            files[name] = f"loaded:{read}"
    rejected = Counter(
        REASON_IN_BATTERY.get(reason, reason)
        for (reason,) in connection.execute("select reason from raw.rejected_records").fetchall()
    )
    return Outcome(
        read=sum(row[3] for row in rows),
        loaded=sum(row[4] for row in rows if not row[5])
        + sum(row[3] for row in rows if row[1] == "repeated"),
        superseded=sum(row[4] for row in rows if row[5]),
        rejected=dict(rejected),
        files=files,
    )


def assert_accounts_balance(connection: duckdb.DuckDBPyConnection, raw_table: RawTable) -> None:
    """Fail unless every record read is loaded or rejected, once, under its own number."""
    ledger = connection.execute(
        """
        select file_id, status, records_read, records_loaded, records_rejected
        from raw.load_files where superseded_by_file_id is null
        """
    ).fetchall()
    for file_id, status, read, loaded, rejected in ledger:
        assert read == loaded + rejected
        if status != "loaded":
            assert read == 0
            continue
        numbers = connection.execute(
            f"""
            select 'loaded', _row_number from raw.{raw_table.name} where _file_id = $1
            union all
            select 'rejected', row_number from raw.rejected_records where file_id = $1
            """,
            [file_id],
        ).fetchall()
        assert Counter(kind for kind, _ in numbers) == Counter(
            {kind: n for kind, n in (("loaded", loaded), ("rejected", rejected)) if n}
        )
        assert sorted(number for _, number in numbers) == list(range(1, read + 1))
    live = {file_id for file_id, status, *_ in ledger if status == "loaded"}
    found = connection.execute(f"select distinct _file_id from raw.{raw_table.name}").fetchall()
    assert {file_id for (file_id,) in found} <= live


# ---------------------------------------------------------------- what is expected


def expected_outcomes(battery: Battery, number: int) -> Iterator[dict[str, Any]]:
    """Yield the battery's outcome of the step, and those it accepts in its place."""
    yield battery.steps[number]["expect"]
    is_last = number == len(battery.steps) - 1
    for accepted in battery.case["accept"]:
        if isinstance(accepted, list):
            yield accepted[number]
        elif is_last:
            yield accepted


def physical(expected: dict[str, Any]) -> Outcome:
    """Return the outcome with the records that only the models can judge counted as loaded."""
    rejected = {
        reason: count
        for reason, count in expected["reasons"].items()
        if reason not in JUDGED_BY_MODELS
    }
    return Outcome(
        read=expected["rows_in"],
        loaded=expected["rows_in"] - sum(rejected.values()) - expected["superseded"],
        superseded=expected["superseded"],
        rejected=rejected,
        files=expected["files"],
    )


def assert_is_one_of(found: Outcome, expected: list[dict[str, Any]]) -> None:
    problems = []
    for each in expected:
        problem = difference(found, each)
        if problem is None:
            return
        problems.append(problem)
    pytest.fail("\n".join(["the outcome is none of those expected:", *problems]))


def difference(found: Outcome, expected: dict[str, Any]) -> str | None:
    """Return in what the outcome is not the expected one, None where it is."""
    if "rows_in" not in expected:
        is_enough = sum(found.rejected.values()) >= expected.get("min_quarantined", 0)
        return None if is_enough else f"fewer rejected than {expected['min_quarantined']}: {found}"
    if expected["quarantined"] and not expected["reasons"]:
        # Reasons are left open, so it is open too how many of them are the models' to find.
        is_good = found.read == expected["rows_in"] and found.loaded >= expected["loaded"]
        return None if is_good else f"expected {expected}: {found}"
    wanted = physical(expected)
    for name in ("read", "loaded", "superseded"):
        if getattr(found, name) != getattr(wanted, name):
            return f"{name} is {getattr(found, name)}, expected {getattr(wanted, name)}: {found}"
    if found.rejected != wanted.rejected:
        return f"rejected {found.rejected}, expected {wanted.rejected}"
    for name, outcome in wanted.files.items():
        told = found.files.get(name)
        if outcome in ("ignored", "skipped:not_ready"):
            is_good = told is None
        elif outcome.endswith(":*"):
            is_good = told is not None and told.startswith(outcome.removesuffix("*"))
        else:
            is_good = told == outcome
        if not is_good:
            return f"{name} ended as {told}, expected {outcome}"
    return None
