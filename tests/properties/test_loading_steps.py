"""In whatever order files are delivered, loaded, replayed, read again and replaced, all adds up.

A small model of the loader, in plain Python, says after every step which records of which content
stand in the raw table, and which in the quarantine.
"""

import hashlib
import re
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from orchestration.loading import (
    create_raw_tables,
    load_source,
    one_file,
    open_warehouse,
    replay_source,
)
from orchestration.sources import Column, Format, RawTable, Source

PATTERNS = (
    "^(?P<who>[a-z]+) (?P<what>[a-z]+)$",
    "^(?P<who>[a-z]+) (?P<what>.+)$",
    "^(?P<who>.)(?P<what>[0-9]*)$",
)
LINES = st.lists(
    st.sampled_from(["ann reads", "ann writes", "bob reads on", "x12", "-"]),
    min_size=1,
    max_size=6,
)
FILES = st.sampled_from(["a.log", "b.log"])
STEPS = st.sampled_from(["load", "replay", "again", "nothing"])
MIN_REJECTED = 2

Content = tuple[str, ...]


def table(pattern: str) -> RawTable:
    return RawTable(
        kind="log",
        name="log_lines",
        columns=(Column("who", "varchar"), Column("what", "varchar")),
        formats=(Format("words", "lines", {"pattern": pattern}),),
        mapped=False,
        on_redelivery="append",
        session_ids_from="tracker",
    )


@dataclass(frozen=True)
class Stand:
    """Which records of a content are loaded, by number, and which are rejected."""

    loaded: frozenset[int]
    rejected: frozenset[int]


class LoadingSteps(RuleBasedStateMachine):
    """The loader, and beside it the model of what it should have done."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        (self.folder / "inbox").mkdir()
        self.connection = open_warehouse(
            self.folder / "w.duckdb",
            memory_limit="500MB",
            threads=1,
            temp_dir=self.folder / "tmp",
        )
        self.table = table(PATTERNS[0])
        self.source = Source("shop", "log", "inbox", self.folder, max_rejected_share=1.0)
        create_raw_tables(self.connection, {"log": self.table}, [self.source])
        self.usual_minimum = one_file.MIN_REJECTED
        one_file.MIN_REJECTED = MIN_REJECTED
        self.files: dict[str, Content] = {}
        self.delivered: dict[str, Content] = {}
        self.standing: dict[Content, Stand] = {}
        self.moved: dict[Content, int] = {}

    def teardown(self) -> None:
        one_file.MIN_REJECTED = self.usual_minimum
        self.connection.close()
        shutil.rmtree(self.folder)

    # ------------------------------------------------------------ the model

    def read(self, content: Content) -> Stand | None:
        """Return what today's options make of the content, None where they refuse it."""
        matching = re.compile(self.table.formats[0].options["pattern"])
        numbers = [(n, bool(matching.search(line))) for n, line in enumerate(content, start=1)]
        rejected = frozenset(n for n, is_sound in numbers if not is_sound)
        limit = self.source.max_rejected_share * len(content)
        if len(rejected) >= MIN_REJECTED and len(rejected) > limit:
            return None
        return Stand(frozenset(n for n, is_sound in numbers if is_sound), rejected)

    def model_load(self, *, again: bool) -> None:
        done = set()
        for name, content in sorted(self.files.items()):
            if content not in self.standing or (again and content not in done):
                stand = self.read(content)
                if stand is None:
                    continue
                self.standing[content] = stand
                self.moved[content] = 0
            done.add(content)
            before = self.delivered.get(name)
            self.delivered[name] = content
            is_replaced = before not in (None, content, *self.delivered.values())
            if self.source.on_redelivery == "replace" and is_replaced:
                self.standing.pop(before, None)

    def model_replay(self) -> None:
        matching = re.compile(self.table.formats[0].options["pattern"])
        for content, stand in self.standing.items():
            sound = {n for n in stand.rejected if matching.search(content[n - 1])}
            self.standing[content] = Stand(stand.loaded | sound, stand.rejected - sound)
            self.moved[content] += len(sound)

    # ------------------------------------------------------------ the steps

    @initialize(share=st.sampled_from([0.5, 1.0]), first=LINES, second=LINES)
    def begin(self, share: float, first: list[str], second: list[str]) -> None:
        self.source = replace(self.source, max_rejected_share=share)
        self.deliver("a.log", first, "nothing")
        self.deliver("b.log", second, "load")

    @rule(name=FILES, lines=LINES, then=STEPS)
    def deliver(self, name: str, lines: list[str], then: str) -> None:
        self.files[name] = tuple(lines)
        path = self.folder / "inbox" / name
        path.write_text("".join(line + "\n" for line in lines))
        self.step(then)

    @rule(name=FILES, other=FILES, then=STEPS)
    def copy(self, name: str, other: str, then: str) -> None:
        if name in self.files:
            self.deliver(other, list(self.files[name]), then)

    @rule(name=FILES, then=STEPS)
    def remove(self, name: str, then: str) -> None:
        if self.files.pop(name, None) is not None:
            (self.folder / "inbox" / name).unlink()
        self.step(then)

    @rule(pattern=st.sampled_from(PATTERNS), then=st.just("replay") | STEPS)
    def change_the_pattern(self, pattern: str, then: str) -> None:
        self.table = table(pattern)
        self.step(then)

    @rule(
        share=st.sampled_from([0.0, 0.5, 1.0]),
        redelivery=st.sampled_from(["append", "replace"]),
        then=STEPS,
    )
    def change_the_source(self, share: float, redelivery: str, then: str) -> None:
        self.source = replace(self.source, max_rejected_share=share, on_redelivery=redelivery)
        self.step(then)

    def step(self, name: str) -> None:
        arguments = self.connection, self.source, self.table, self.folder / "landing"
        if name in ("load", "again"):
            load_source(*arguments, again=name == "again")
            self.model_load(again=name == "again")
        elif name == "replay":
            replay_source(*arguments)
            self.model_replay()

    # ------------------------------------------------------------ what must hold

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql).fetchall()

    @invariant()
    def every_record_is_where_the_model_says(self) -> None:
        held = {
            file_id: (set(loaded or ()), set(rejected or ()))
            for file_id, loaded, rejected in self.query(
                """
                select coalesce(a.file_id, b.file_id), a.numbers, b.numbers
                from (
                    select _file_id as file_id, list(_row_number) as numbers
                    from raw.log_lines group by _file_id
                ) as a
                full join (
                    select file_id, list(row_number) as numbers
                    from raw.rejected_records group by file_id
                ) as b on a.file_id = b.file_id
                """
            )
        }
        expected = {
            file_id_of(content): (set(stand.loaded), set(stand.rejected))
            for content, stand in self.standing.items()
            if content
        }
        assert held == expected

    @invariant()
    def no_record_stands_twice(self) -> None:
        assert self.query(
            "select count(*) - count(distinct (_file_id, _row_number)) from raw.log_lines"
        ) == [(0,)]
        assert self.query(
            "select count(*) - count(distinct (file_id, row_number)) from raw.rejected_records"
        ) == [(0,)]

    @invariant()
    def the_ledger_counts_what_stands(self) -> None:
        counted = self.query(
            "select file_id, records_read, records_loaded, records_rejected from raw.load_files "
            "where status = 'loaded' and superseded_by_file_id is null"
        )
        assert sorted(counted) == sorted(
            (file_id_of(content), len(content), len(stand.loaded), len(stand.rejected))
            for content, stand in self.standing.items()
        )
        replayed = self.query("select file_id, count(*) from raw.replayed_records group by 1")
        assert dict(replayed) == {
            file_id_of(content): self.moved[content]
            for content in self.standing
            if self.moved[content]
        }


def file_id_of(content: Content) -> str:
    sha = hashlib.sha256("".join(line + "\n" for line in content).encode()).hexdigest()
    return hashlib.md5(f"shop\x1f{sha}".encode()).hexdigest()


LoadingSteps.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestLoadingSteps = LoadingSteps.TestCase
