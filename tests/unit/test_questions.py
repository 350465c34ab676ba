"""Our answers in benchmarks/questions.py are right, and wrong ones are noticed.

What the other engines answer is compared with ours whenever it is measured.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb
import pytest

from benchmarks import questions
from benchmarks.accepted import write_accepted_events
from benchmarks.engines.asking import Request
from benchmarks.generate import World
from benchmarks.questions import QUESTIONS, STORE, AnswersDiffer, Question
from tests.references.events import Event
from tests.references.funnels import Action, Step, entries_of
from tests.references.sessions import sessions_of

STEPS = [
    Step("*", name, "*") for name in ("view_item", "add_to_cart", "begin_checkout", "purchase")
]


@pytest.fixture(scope="module")
def request_answered(tmp_path_factory: pytest.TempPathFactory) -> Request:
    request = Request("", tmp_path_factory.mktemp("questions"), threads=2, memory_mb=500)
    # The scraper never rests, so that its one session is cut.
    generated = request.folder / "generated.parquet"
    write_accepted_events(World(20_000, days=20, seed=5, largest_device=0.3), generated)
    # Users change within sessions, and steps lie far enough apart for the funnel's window.
    duckdb.execute(
        f"""
        copy (
            select * replace (
                case when event_name = 'scroll' then 'u' || hash(event_id) % 7 end as user_id,
                case
                    when event_name = 'page_view' or hash(event_id) % 16 > 3 then 'page_view'
                    else ['view_item', 'add_to_cart', 'begin_checkout', 'purchase'][
                        cast(1 + hash(event_id) % 16 as bigint)
                    ]
                end as event_name
            )
            from '{generated}'
        ) to '{request.events}' (format parquet)
        """
    )
    questions.prepare(request, 20_000)
    for question in (STORE, *QUESTIONS):
        questions.ask(replace(request, question=question.ours), "duckdb")
    return request


@pytest.fixture(scope="module")
def events(request_answered: Request) -> list[dict[str, Any]]:
    return rows(f"from '{request_answered.events}'")


def rows(query: str) -> list[dict[str, Any]]:
    with duckdb.connect() as connection:
        answer = connection.execute(query)
        names = [column[0] for column in answer.description]
        return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]


def answer_to(request: Request, question: str, *columns: str) -> set[tuple[Any, ...]]:
    answer = replace(request, question=question).answer("duckdb")
    found = [tuple(row.values()) for row in rows(f"select {', '.join(columns)} from '{answer}'")]
    assert found and len(set(found)) == len(found)
    return set(found)


def by_inactivity(events: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    ordered = sorted(events, key=lambda row: (row["device_id"], row["occurred_at"]))
    for _, timeline in groupby(ordered, key=lambda row: row["device_id"]):
        session: list[dict[str, Any]] = []
        for event in timeline:
            if session and event["occurred_at"] - session[-1]["occurred_at"] > timedelta(
                minutes=30
            ):
                yield session
                session = []
            session.append(event)
        yield session


SUMMARY = ("session_id", "started_at", "ended_at", "event_count")


def test_sessions_by_inactivity_are_those_of_the_reference(
    request_answered: Request, events: list[dict[str, Any]]
) -> None:
    expected = {
        (
            *(each[0][name] for name in ("event_id", "device_id", "person_id", "occurred_at")),
            each[-1]["occurred_at"],
            len(each),
        )
        for each in by_inactivity(events)
    }
    columns = ("session_id", "device_id", "person_id", *SUMMARY[1:])
    assert answer_to(request_answered, "sessions", *columns) == expected


def test_sessions_by_our_rule_are_those_of_the_reference(
    request_answered: Request, events: list[dict[str, Any]]
) -> None:
    found = sessions_of(
        (
            Event(
                source_name=row["source_name"],
                file_name="",
                row_number=0,
                event_name=row["event_name"],
                occurred_at=row["occurred_at"],
                device_id=row["device_id"],
                identity=row["event_id"],
                user_id=row["user_id"],
                event_id=row["event_id"],
            )
            for row in events
        ),
        ids_from="gap",
    )
    expected = {
        (
            session.events[0].event_id,
            session.events[0].occurred_at,
            session.events[-1].occurred_at,
            len(session.events),
        )
        for session in found
    }
    assert answer_to(request_answered, "sessions_by_rule", *SUMMARY) == expected
    assert {session.began_because for session in found} >= {"user_change", "max_length"}


@pytest.mark.parametrize("question", ["funnel", "funnel_by_models"])
def test_funnels_are_those_of_the_reference(
    request_answered: Request, events: list[dict[str, Any]], question: str
) -> None:
    persons: dict[str, list[Action]] = defaultdict(list)
    for row in events:
        fields = ("event_id", "source_name", "event_name", "page_path", "occurred_at")
        persons[row["person_id"]].append(Action(*(row[name] for name in fields)))
    entries = {
        person: entries_of(actions, STEPS, timedelta(hours=336)).values()
        for person, actions in persons.items()
    }
    expected = {
        (person, max(entry.furthest_step for entry in found))
        for person, found in entries.items()
        if found
    }
    assert {step for _, step in expected} == {1, 2, 3, 4}
    assert answer_to(request_answered, question, "person_id", "furthest_step") == expected


def test_retention_is_that_of_the_reference(
    request_answered: Request, events: list[dict[str, Any]]
) -> None:
    weeks = defaultdict(set)
    for session in by_inactivity(events):
        day = session[0]["occurred_at"].date()
        weeks[session[0]["person_id"]].add(day - timedelta(days=day.weekday()))
    counts = Counter((min(active), week) for active in weeks.values() for week in active)
    expected = {(*cell, count) for cell, count in counts.items()}
    columns = ("cohort_week", "week", "persons")
    assert answer_to(request_answered, "retention", *columns) == expected


def test_a_row_that_another_engine_answers_otherwise_is_told(
    request_answered: Request, tmp_path: Path
) -> None:
    request = replace(request_answered, folder=tmp_path)
    question = Question("weeks", "weeks", "weeks")
    (tmp_path / "answers").mkdir()
    answers = {"duckdb": "(1), (2), (2)", "clickhouse": "(2), (1), (2)", "polars": "(1), (2), (2)"}
    write(request, answers)
    assert questions.check(request, question) == 3
    write(request, answers | {"polars": "(1), (2), (1)"})
    with pytest.raises(AnswersDiffer, match="weeks: duckdb alone has 1 rows, as"):
        questions.check(request, question)
    write(request, answers | {"clickhouse": "(1), (2), (2), (2)"})
    with pytest.raises(AnswersDiffer, match="weeks: clickhouse alone has 1 rows, as"):
        questions.check(request, question)


def write(request: Request, answers: dict[str, str]) -> None:
    for engine, values in answers.items():
        target = replace(request, question="weeks").answer(engine)
        duckdb.execute(f"copy (from (values {values}) as t (week)) to '{target}' (format parquet)")
