"""What an event is to the references: the few facts that sessions, persons and money need."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

PAGE_VIEWS = ("page_view", "screen_view")


@dataclass(frozen=True)
class Event:
    """One record of an export that can be read; times are UTC without a zone."""

    source_name: str
    file_name: str
    row_number: int
    event_name: str
    occurred_at: datetime
    device_id: str | None
    identity: object
    user_id: str | None = None
    tracker_session_id: str | None = None
    event_id: str = ""
    page_path: str | None = None
    order_id: str | None = None
    revenue: Decimal | None = None
    currency: str | None = None
    engaged_seconds: Decimal | None = None
    is_engaged_by_tracker: bool = False
    is_bot: bool = False

    @property
    def place(self) -> tuple[str, int]:
        """Return where the record stands: the name of its file and its number in it."""
        return self.file_name, self.row_number

    @property
    def is_page_view(self) -> bool:
        """Tell whether the event is a view of a page or a screen."""
        return self.event_name in PAGE_VIEWS


def without_repeats(events: Iterable[Event]) -> tuple[list[Event], list[Event]]:
    """Return the events whose identity is new, and those that repeat one, in the order given."""
    accepted: dict[object, Event] = {}
    repeated: list[Event] = []
    for event in events:
        key = (event.source_name, event.identity)
        if key in accepted:
            repeated.append(event)
        else:
            accepted[key] = event
    return list(accepted.values()), repeated


def in_order(events: Iterable[Event]) -> Sequence[Event]:
    """Return the events by time; those of one instant by their ids, so that files do not matter."""
    return sorted(events, key=lambda event: (event.occurred_at, event.event_id))
