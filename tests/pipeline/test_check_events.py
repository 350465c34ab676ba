"""`clickstream check-events`: a capture against the tracking plan, away from the warehouse."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from orchestration import cli
from tests.references.locked_folders import lock_folders

CALL = {"type": "track", "anonymousId": "a", "timestamp": "2026-03-14T10:34:00Z"}
ORDER = {
    "order_id": "O-1",
    "revenue": 44.0,
    "currency": "EUR",
    "products": [{"product_id": "P42", "price": 19.9}],
}


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that runs the command in a folder without a warehouse."""
    monkeypatch.setenv("CLICKSTREAM_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Result:
        before = os.umask(0o022)
        try:
            return CliRunner().invoke(cli.main, ["check-events", *arguments])
        finally:
            os.umask(before)
            assert not (tmp_path / "data").exists()

    return run


def write_calls(path: Path, *calls: tuple[str, dict[str, Any]]) -> None:
    path.write_text(
        "".join(
            json.dumps({**CALL, "messageId": f"m-{number}", "event": event, "properties": sent})
            + "\n"
            for number, (event, sent) in enumerate(calls)
        )
    )


def test_every_violation_is_named_with_its_place(check, tmp_path: Path) -> None:
    write_calls(
        tmp_path / "shop.jsonl",
        ("Order Completed", ORDER),
        (
            "Order Completed",
            ORDER | {"revenue": "44.0", "currency": "eur", "order_id": "", "orderId": "O"},
        ),
        ("order completed", ORDER),
        ("Frobnicated", {}),
    )
    (tmp_path / "more.jsonl").write_text('{"type": "track"\n')
    result = check("shop.jsonl", "more.jsonl", "--kind", "segment", "--json")
    assert result.exit_code == 1, result.output
    told = json.loads(result.output)
    assert (told["passed"], told["events"]) == (False, 4)
    assert {
        (each["event_name"], each["property_name"], each["violation"], each["row_number"])
        for each in told["violations"]
    } == {
        ("purchase", "transaction_id", "missing_property", 2),
        ("purchase", "value", "wrong_type", 2),
        ("purchase", "currency", "unexpected_value", 2),
        ("order completed", None, "near_duplicate_event", 3),
        ("Frobnicated", None, "unknown_event", 4),
    }
    by_property = {each["property_name"]: each for each in told["violations"]}
    value = by_property["value"]
    assert (value["expected"], value["sent_type"], value["example_value"]) == (
        "number", "text", "44.0"
    )  # fmt: skip
    assert (value["records_affected"], value["records_seen"]) == (1, 2)
    assert value["source_event_name"] == "Order Completed"
    assert value["source_property_names"] == "value, revenue, total"
    assert value["path"].endswith("shop.jsonl")
    assert by_property["transaction_id"]["similar_property_name"] == "orderId"
    (rejected,) = told["rejected"]
    assert rejected["reason"] == "invalid_json" and rejected["path"].endswith("more.jsonl")


def test_events_as_planned_pass(check, tmp_path: Path) -> None:
    write_calls(tmp_path / "shop.jsonl", ("Order Completed", ORDER), ("Signed In", {}))
    result = check("shop.jsonl", "--kind", "segment")
    assert (result.exit_code, result.output) == (0, "2 events of 1 file: all as planned\n")


def test_a_file_that_is_named_twice_is_checked_once(check, tmp_path: Path) -> None:
    (tmp_path / "captures").mkdir()
    write_calls(tmp_path / "captures" / "a.jsonl", ("Signed In", {}))
    result = check("captures", "captures/a.jsonl", "--kind", "segment")
    assert (result.exit_code, result.output) == (0, "1 event of 1 file: all as planned\n")


def test_a_folder_that_cannot_be_listed_is_told(
    check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "captures" / "locked").mkdir(parents=True)
    write_calls(tmp_path / "captures" / "a.jsonl", ("Signed In", {}))
    lock_folders(monkeypatch, "locked")
    result = check("captures", "--kind", "segment")
    assert result.exit_code == 2
    assert "captures/locked cannot be read: Permission denied" in result.output


def test_what_a_source_must_send_is_missed_only_when_asked(check, tmp_path: Path) -> None:
    line = (
        '192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /a.css HTTP/1.1" 200 1 "-" "Mozilla/5.0"'
    )
    (tmp_path / "access.log").write_text(line + "\n")
    result = check("access.log", "--source", "blog_logs", "--unused")
    assert result.exit_code == 1, result.output
    assert "page_view, owner: platform\n  unused_event          is expected" in result.output
    result = check("access.log", "--source", "blog_logs")
    assert (result.exit_code, result.output) == (0, "1 event of 1 file: all as planned\n")


def test_a_capture_without_an_event_fails(check, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("")
    result = check("empty.jsonl", "--kind", "segment")
    assert result.exit_code == 1
    assert "0 events of 1 file" in result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.jsonl"], "either --kind or --source"),
        (["a.jsonl", "--kind", "segment", "--source", "blog_logs"], "either --kind or --source"),
        (["a.jsonl", "--kind", "smoke"], "'smoke' does not exist; expected one of access_log"),
        (["a.jsonl", "--source", "smoke"], "no source is called smoke"),
        (["none.jsonl", "--kind", "segment"], "'none.jsonl' does not exist"),
        (["_a.jsonl", "--kind", "segment"], "_a.jsonl: no file to check"),
        ([], "Missing argument 'FILES...'"),
    ],
)
def test_wrong_usage_is_exit_code_2(check, tmp_path: Path, arguments, words) -> None:
    for name in ("a.jsonl", "_a.jsonl"):
        (tmp_path / name).write_text("{}\n")
    result = check(*arguments)
    assert result.exit_code == 2
    assert words in result.output
