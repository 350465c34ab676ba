"""Sessions, a funnel and retention: ours beside ClickHouse and Polars. `make bench`, or

python -m benchmarks.questions --events 1000000 --pairs 5
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from benchmarks.engines.asking import Request
from benchmarks.measuring import (
    PAGE,
    Measured,
    describe_machine,
    measure,
    ratios,
    say,
    spread,
    write_section,
)
from benchmarks.quoting import literal
from orchestration.settings import PROJECT_DIR

RIVALS_PYTHON = PROJECT_DIR / ".venv-bench" / "bin" / "python"
ENGINES = ("duckdb", "clickhouse", "polars")


@dataclass(frozen=True)
class Question:
    """What is asked; we may have two ways to one answer."""

    title: str
    ours: str
    theirs: str

    def to(self, engine: str) -> str:
        """Return the name by which that engine knows it."""
        return self.ours if engine == "duckdb" else self.theirs


STORE = Question("(storing the events, sorted)", "store", "store")
QUESTIONS = (
    Question("sessions by our whole rule: our model", "sessions_by_rule", "sessions_by_rule"),
    Question("sessions by inactivity alone", "sessions", "sessions"),
    Question("funnel: our models", "funnel_by_models", "funnel"),
    Question("funnel: one query", "funnel", "funnel"),
    Question("retention", "retention", "retention"),
)

Turns = Mapping[str, Sequence[Measured]]
"""What each engine took, turn by turn."""


class AnswersDiffer(Exception):
    """Engines that disagree about what was asked; the message says where."""


def main() -> None:
    """Measure what the command line asks for, print it and write it into docs/performance.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.questions", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--pairs", type=int, default=3, help="how often the engines take turns")
    parser.add_argument("--folder", type=Path, default=PROJECT_DIR / "data" / "benchmarks")
    parser.add_argument("--memory-mb", type=int, default=2_000)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    if not RIVALS_PYTHON.exists():
        parser.error(f"{RIVALS_PYTHON} does not exist; expected chdb and polars there: make bench")
    folder = given.folder / f"questions-to-{given.events}-events"
    request = Request("", folder, given.threads, given.memory_mb)
    text = compare(request, given.events, given.pairs)
    print(f"\n{text}")
    write_section(PAGE, f"questions to {given.events:,} events", text)


def compare(request: Request, events: int, pairs: int) -> str:
    """Return the table of all questions, once the engines agree in every answer."""
    prepare(request, events)
    taken = {each: take_turns(request, each, pairs) for each in (STORE, *QUESTIONS)}
    # Last, and not question by question: what this process holds counts as its children's memory.
    counts = {each.title: check(request, each) for each in QUESTIONS}
    return (
        f"**{events:,} events, {pairs} turn(s) of each engine.** "
        f"{describe_machine(request.threads, f'{request.memory_mb} MB')}; {_rivals()}.\n\n"
        "| question | ours | ClickHouse | Polars | ratio to ClickHouse (least – most) "
        "| of processor time | of processor time, to Polars | memory of ours | of ClickHouse "
        "| of Polars |\n|---|---|---|---|---|---|---|---|---|---|\n"
        + "\n".join(_row(question, turns) for question, turns in taken.items())
        + "\n\nRows of each answer, the same in all engines: "
        + "; ".join(f"{title}, {count:,}" for title, count in counts.items())
        + ".\n"
    )


def prepare(request: Request, events: int) -> None:
    """Make the events and the SQL of our models, unless the events are there."""
    (request.folder / "answers").mkdir(parents=True, exist_ok=True)
    if not request.events.exists():
        say(f"generating {events:,} events")
        measure(
            [sys.executable, "-m", "benchmarks.accepted", str(request.events), str(events)],
            {"PYTHONPATH": str(PROJECT_DIR)},
        )
    # Anew each time: they may have changed. In a process of its own, as above.
    measure(
        [sys.executable, "-m", "benchmarks.engines.models", str(request.folder / "models")],
        {"PYTHONPATH": str(PROJECT_DIR)},
    )


def take_turns(request: Request, question: Question, pairs: int) -> Turns:
    """Ask every engine so often, one after the other."""
    turns: dict[str, list[Measured]] = {engine: [] for engine in ENGINES}
    for turn in range(pairs):
        # Whichever goes first may find the machine busier.
        for engine in ENGINES if turn % 2 == 0 else reversed(ENGINES):
            turns[engine].append(ask(replace(request, question=question.to(engine)), engine))
        took = ", ".join(f"{turns[engine][-1].seconds:.3f} s ({engine})" for engine in ENGINES)
        say(f"{question.title}, turn {turn + 1} of {pairs}: {took}")
    return turns


def ask(request: Request, engine: str) -> Measured:
    """Let an engine answer in a process of its own, and return what the answer took."""
    python = sys.executable if engine == "duckdb" else str(RIVALS_PYTHON)
    whole = measure(
        [
            python,
            "-m",
            f"benchmarks.engines.in_{engine}",
            request.question,
            str(request.folder),
            f"--threads={request.threads}",
            f"--memory-mb={request.memory_mb}",
        ],
        {"PYTHONPATH": str(PROJECT_DIR), "POLARS_MAX_THREADS": str(request.threads)},
    )
    return replace(whole, **json.loads(request.took.read_text()))


def check(request: Request, question: Question) -> int:
    """Make sure that the engines' answers are the same rows; return how many there are."""
    with duckdb.connect(config={"memory_limit": "2GB"}) as connection:
        connection.execute("set TimeZone = 'UTC'")
        ours = _answer(request, question, "duckdb")
        columns = connection.execute(f"describe {ours}").fetchall()
        for engine in ENGINES[1:]:
            selected = ", ".join(f"cast({name} as {kind})" for name, kind, *_ in columns)
            theirs = f"select {selected} {_answer(request, question, engine)}"
            for these, those, who in (
                (ours, theirs, "duckdb"),
                (theirs, ours, engine),
            ):
                found = connection.execute(f"({these}) except all ({those})").fetchall()
                if found:
                    raise AnswersDiffer(
                        f"{question.title}: {who} alone has {len(found):,} rows, as {found[0]}"
                    )
        return connection.execute(f"select count(*) {ours}").fetchall()[0][0]


def _rivals() -> str:
    packages = {"chdb-core": "ClickHouse (chdb-core)", "polars": "Polars"}
    code = "import sys, importlib.metadata as m; print(*map(m.version, sys.argv[1:]))"
    command = [str(RIVALS_PYTHON), "-c", code, *packages]
    versions = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return ", ".join(f"{name} {v}" for name, v in zip(packages.values(), versions, strict=True))


def _answer(request: Request, question: Question, engine: str) -> str:
    return f"from {literal(replace(request, question=question.to(engine)).answer(engine))}"


def _row(question: Question, turns: Turns) -> str:
    ours, clickhouse, polars = (turns[engine] for engine in ENGINES)
    return (
        f"| {question.title} | "
        + " | ".join(
            f"{statistics.median(each.seconds for each in turns[engine]):.3f} s"
            for engine in ENGINES
        )
        + f" | {spread(ours, clickhouse, 'seconds', is_bold=True)} "
        f"| {statistics.median(ratios(ours, clickhouse, 'processor_seconds')):.2f} "
        f"| {statistics.median(ratios(ours, polars, 'processor_seconds')):.2f} | "
        + " | ".join(
            f"{max(each.peak_bytes for each in turns[engine]) / 1e6:,.0f} MB" for engine in ENGINES
        )
        + " |"
    )


if __name__ == "__main__":
    main()
