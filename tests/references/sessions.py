"""How events become sessions, by CONTRACT.md: on the device, by gap or by the source's own id."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from tests.references.events import Event, in_order

TIMEOUT = timedelta(minutes=30)
MAX_LENGTH = timedelta(hours=24)
ENGAGED_SECONDS = 10
ENGAGED_VIEWS = 2


@dataclass(frozen=True)
class Session:
    """The events of one visit, in order."""

    events: tuple[Event, ...]
    began_because: str

    @property
    def source_name(self) -> str:
        """Return the source; a session never spans two."""
        return self.events[0].source_name

    @property
    def device_id(self) -> str:
        """Return the device; a session never spans two."""
        return self.events[0].device_id

    @property
    def started_at(self) -> datetime:
        """Return the time of the first event."""
        return self.events[0].occurred_at

    @property
    def ended_at(self) -> datetime:
        """Return the time of the last event."""
        return self.events[-1].occurred_at

    @property
    def user_id(self) -> str | None:
        """Return the known user seen in the session; there is at most one."""
        users = {event.user_id for event in self.events if event.user_id is not None}
        assert len(users) <= 1, users
        return next(iter(users), None)

    @property
    def page_view_count(self) -> int:
        """Return how many pages or screens were seen."""
        return sum(event.is_page_view for event in self.events)

    @property
    def engaged_seconds(self) -> Decimal | None:
        """Return the attention observed; None, not 0, where none was."""
        seen = [e.engaged_seconds for e in self.events if e.engaged_seconds is not None]
        return sum(seen, Decimal(0)) if seen else None

    def is_engaged(self, conversion_count: int) -> bool:
        """Tell whether somebody was there: attention, views, a conversion, the tracker's word."""
        return (
            (self.engaged_seconds or 0) >= ENGAGED_SECONDS
            or self.page_view_count >= ENGAGED_VIEWS
            or conversion_count > 0
            or any(event.is_engaged_by_tracker for event in self.events)
        )


def sessions_of(events: Iterable[Event], ids_from: str) -> list[Session]:
    """Return the sessions of all events that have a device."""
    devices: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for event in events:
        if event.device_id is not None:
            devices[event.source_name, event.device_id].append(event)
    sessions = []
    for timeline in devices.values():
        blocks = _by_tracker(timeline) if ids_from == "tracker" else _by_gap(timeline)
        for began_because, block in blocks:
            for reason, same_user in _by_user(began_because, block):
                sessions.extend(_by_length(reason, same_user))
    return sessions


def _by_tracker(timeline: Sequence[Event]) -> Iterator[tuple[str, list[Event]]]:
    visits: dict[str | None, list[Event]] = defaultdict(list)
    for event in in_order(timeline):
        visits[event.tracker_session_id].append(event)
    assert None not in visits, "this reference needs a session id on every event"
    for visit in visits.values():
        yield "tracker", visit


def _by_gap(timeline: Sequence[Event]) -> Iterator[tuple[str, list[Event]]]:
    ordered = in_order(timeline)
    block, reason = [ordered[0]], "first_event"
    for previous, event in zip(ordered, ordered[1:], strict=False):
        if event.occurred_at - previous.occurred_at > TIMEOUT:
            yield reason, block
            block, reason = [], "inactivity"
        block.append(event)
    yield reason, block


def _by_user(reason: str, block: Sequence[Event]) -> Iterator[tuple[str, list[Event]]]:
    """Cut where a known user follows another; logging in is no cut, nor is logging out."""
    part: list[Event] = []
    user: str | None = None
    for event in block:
        if event.user_id is not None:
            if user is not None and event.user_id != user:
                yield reason, part
                part, reason = [], "user_change"
            user = event.user_id
        part.append(event)
    yield reason, part


def _by_length(reason: str, events: Sequence[Event]) -> Iterator[Session]:
    """Cut a session that is longer than the limit every so many hours from its start."""
    start = events[0].occurred_at
    part: list[Event] = []
    number = 0
    for event in events:
        # an event exactly at the limit still belongs to the session that reaches it
        passed = max(0, -((start - event.occurred_at) // MAX_LENGTH) - 1)
        if passed != number:
            yield Session(tuple(part), reason)
            part, reason, number = [], "max_length", passed
        part.append(event)
    yield Session(tuple(part), reason)
