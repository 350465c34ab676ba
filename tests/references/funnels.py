"""Ordered funnels by brute force: every start, every way on, the furthest one (CONTRACT.md)."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta


@dataclass(frozen=True)
class Action:
    """What a funnel sees of an event; `event_id` tells events of one instant apart."""

    event_id: str
    source_name: str
    event_name: str
    page_path: str | None
    occurred_at: datetime


@dataclass(frozen=True)
class Step:
    """Which events are the step; `*` is any."""

    source_name: str
    event_name: str
    page_path_pattern: str

    def is_done_by(self, action: Action) -> bool:
        """Tell whether the action is the step."""
        return (
            self.source_name in ("*", action.source_name)
            and self.event_name in ("*", action.event_name)
            and (
                self.page_path_pattern == "*"
                or re.search(self.page_path_pattern, action.page_path or "") is not None
            )
        )


@dataclass(frozen=True)
class Entry:
    """How far one actor who entered on one day has come, and when each step was done."""

    entered_at: datetime
    step_times: tuple[datetime, ...]

    @property
    def furthest_step(self) -> int:
        """Return the number of the last step done."""
        return len(self.step_times)


def entries_of(
    actions: Iterable[Action], steps: Sequence[Step], window: timedelta
) -> Mapping[date, Entry]:
    """Return the actor's best entry of each day on which the first step was done."""
    by_time = sorted(actions, key=lambda action: (action.occurred_at, action.event_id))
    entries: dict[date, list[Entry]] = defaultdict(list)
    for start in by_time:
        if steps[0].is_done_by(start):
            times = _follow(start, by_time, steps, window)
            entries[start.occurred_at.date()].append(Entry(start.occurred_at, times))
    return {
        day: min(found, key=lambda entry: (-entry.furthest_step, entry.entered_at))
        for day, found in entries.items()
    }


def _follow(
    start: Action, by_time: Sequence[Action], steps: Sequence[Step], window: timedelta
) -> tuple[datetime, ...]:
    """Return the earliest time of each step that can be reached from `start`.

    To be earlier is never worse, because whatever happens later is still to come. Only events of
    one instant can stand in each other's way, so all sets of them that may be used up are tried.
    """
    ends_at = start.occurred_at + window
    times = [start.occurred_at]
    used_up = {frozenset([start.event_id])}
    for step in steps[1:]:
        found: dict[datetime, set[frozenset[str]]] = defaultdict(set)
        for action in by_time:
            if not times[-1] <= action.occurred_at <= ends_at or not step.is_done_by(action):
                continue
            for used in used_up:
                if action.occurred_at > times[-1]:
                    found[action.occurred_at].add(frozenset([action.event_id]))
                elif action.event_id not in used:
                    found[action.occurred_at].add(used | {action.event_id})
        if not found:
            break
        times.append(min(found))
        used_up = found[min(found)]
    return tuple(times)
