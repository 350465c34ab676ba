"""Comparisons of marts with references that more than one test makes; rows are dictionaries."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.references.attribution import Touch, credits_of, touches_of
from tests.references.funnels import Action, Step, entries_of

Row = Mapping[str, Any]


def grouped(rows: Iterable[Row], *keys: str) -> dict[Any, list[Row]]:
    """Return the rows by the value of a column, or by the values of several."""
    groups = defaultdict(list)
    for row in rows:
        values = tuple(row[key] for key in keys)
        groups[values if len(keys) > 1 else values[0]].append(row)
    return groups


def check_identities(identities: Sequence[Row], sessions: Sequence[Row]) -> None:
    """Assert that periods do not overlap, and say of every session whose it is."""
    assert identities
    periods = grouped(identities, "source_name", "identifier_type", "identifier")
    for known in periods.values():
        known.sort(key=lambda period: period["valid_from"])
        for earlier, later in zip(known, known[1:], strict=False):
            assert earlier["valid_to"] is not None, (earlier, later)
            assert earlier["valid_to"] <= later["valid_from"], (earlier, later)
        assert [period["is_current"] for period in known] == [
            period["valid_to"] is None for period in known
        ]
        assert known[-1]["is_current"], known
    started = grouped(sessions, "source_name", "device_id", "started_at")
    for session in sessions:
        source_name, at = session["source_name"], session["started_at"]
        who = _who(periods[source_name, "device", session["device_id"]], at)
        # of two users in one instant on one device, a period can show only one
        possible = {s["person_id"] for s in started[source_name, session["device_id"], at]}
        assert len(who) == 1 and set(who) <= possible, (session["session_id"], at, who)
        if session["user_id"] is not None:
            who = _who(periods[source_name, "user", session["user_id"]], session["ended_at"])
            assert who == [session["person_id"]], (session["session_id"], session["user_id"])


def _who(periods: Sequence[Row], at: datetime) -> list[str]:
    return [
        period["person_id"]
        for period in periods
        if period["valid_from"] <= at and (period["valid_to"] is None or at < period["valid_to"])
    ]


def _is_report(session: Row) -> bool:
    return (
        session["device_id"] == f"user:{session['user_id']}"
        and session["page_view_count"] == 0
        and session["traffic_evidence"] == "direct"
    )


def check_credits(conversion: Row, sessions: Sequence[Row], rows: Sequence[Row]) -> None:
    """Assert that the touches of one conversion, and their credits in every model, are right."""
    path = touches_of(
        [Touch(s["session_id"], s["channel"], s["started_at"], _is_report(s)) for s in sessions],
        conversion["converted_at"],
    )
    expected = (
        credits_of(path, conversion["converted_at"])
        if path
        else {model: [1.0] for model in {row["model"] for row in rows}}
    )
    by_model = grouped(rows, "model")
    assert set(by_model) == set(expected) and len(by_model) == 6
    for model, touches in by_model.items():
        touches.sort(key=lambda touch: touch["touch_position"])
        if path:
            assert [t["session_id"] for t in touches] == [touch.session_id for touch in path]
            assert [t["channel"] for t in touches] == [touch.channel for touch in path]
        else:
            assert [t["channel"] for t in touches] == ["Unattributed"]
        assert [float(t["credit"]) for t in touches] == pytest.approx(expected[model], abs=1e-6)
        assert sum(t["credit"] for t in touches) == 1
        value = conversion["value_reporting"]
        if value is None:
            assert [t["credited_value"] for t in touches] == [None] * len(touches)
            continue
        assert sum(t["credited_value"] for t in touches) == value
        for touch, credit in zip(touches, expected[model], strict=True):
            # values have four digits; what rounding leaves over stands on one touch
            slack = 0.00005 * (len(touches) + 1) + 1e-9 * float(value)
            assert float(touch["credited_value"]) == pytest.approx(float(value) * credit, abs=slack)


def check_funnels(
    funnels: Mapping[str, tuple[str, timedelta, Sequence[Step]]],
    events: Sequence[Row],
    sessions: Sequence[Row],
    entrants: Sequence[Row],
) -> None:
    """Assert that the entrants of every funnel are those that brute force finds."""
    session_of = {session["session_id"]: session for session in sessions}
    through: dict[str, Any] = {}
    for event in events:
        name = event["source_name"]
        through[name] = max(through.get(name, event["occurred_at"]), event["occurred_at"])
    found = grouped(entrants, "funnel")
    for funnel, (scope, window, steps) in funnels.items():
        actions: dict[str, list[Action]] = defaultdict(list)
        starts: dict[tuple, list[Row]] = defaultdict(list)
        for event in events:
            if event["is_bot"] or event["session_id"] is None:
                continue
            session = session_of[event["session_id"]]
            actor = session["person_id"] if scope == "person" else event["session_id"]
            action = Action(
                event["event_id"],
                event["source_name"],
                event["event_name"],
                event["page_path"],
                event["occurred_at"],
            )
            if any(step.is_done_by(action) for step in steps):
                actions[actor].append(action)
            if steps[0].is_done_by(action):
                starts[actor, action.occurred_at].append(session)
        expected = {
            (actor, day): entry
            for actor, done in actions.items()
            for day, entry in entries_of(done, steps, window).items()
        }
        actor_column = "person_id" if scope == "person" else "session_id"
        rows = {(row[actor_column], row["entry_date"]): row for row in found[funnel]}
        assert len(rows) == len(found[funnel])
        assert rows.keys() == expected.keys(), funnel
        for key, entry in expected.items():
            row = rows[key]
            assert row["entered_at"] == entry.entered_at, row
            assert tuple(row["step_times"]) == entry.step_times, row
            assert row["furthest_step"] == entry.furthest_step
            assert row["step_count"] == len(steps)
            converted = entry.furthest_step == len(steps)
            assert row["is_converted"] is converted
            assert row["converted_at"] == (entry.step_times[-1] if converted else None)
            ends_at = entry.entered_at + window
            assert row["is_window_complete"] is (through[row["source_name"]] >= ends_at), row
            assert (row["source_name"], row["channel"], row["device_category"]) in {
                (s["source_name"], s["channel"], s["device_category"] or "(unknown)")
                for s in starts[key[0], entry.entered_at]
            }, row
