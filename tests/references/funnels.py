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
    places = sorted(
        (action for action in actions if any(step.is_done_by(action) for step in steps)),
        key=lambda action: (action.occurred_at, _least_step(action, steps), action.event_id),
    )
    entries: dict[date, list[Entry]] = defaultdict(list)
    for place, start in enumerate(places):
        if steps[0].is_done_by(start):
            times = _follow(place, places, steps, window)
            entries[start.occurred_at.date()].append(Entry(start.occurred_at, times))
    return {
        day: min(found, key=lambda entry: (-entry.furthest_step, entry.entered_at))
        for day, found in entries.items()
    }


def _least_step(action: Action, steps: Sequence[Step]) -> int:
    """Return the first step that the action is: where it stands among others of its instant."""
    return next(number for number, step in enumerate(steps) if step.is_done_by(action))


def _follow(
    place: int, places: Sequence[Action], steps: Sequence[Step], window: timedelta
) -> tuple[datetime, ...]:
    """Return when each step was done on the way from a start: always the nearest later event."""
    ends_at = places[place].occurred_at + window
    times = [places[place].occurred_at]
    for step in steps[1:]:
        later = range(place + 1, len(places))
        place = next(
            (later_place for later_place in later if step.is_done_by(places[later_place])), -1
        )
        if place < 0 or places[place].occurred_at > ends_at:
            break
        times.append(places[place].occurred_at)
    return tuple(times)
