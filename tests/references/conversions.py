"""Which events are conversions and what one is worth, by the seeds in seeds/definitions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

from tests.references.events import Event
from tests.references.funnels import Action, Step


@dataclass(frozen=True)
class Definition:
    """One row of conversion_definitions.csv."""

    name: str
    selector: Step
    value: str
    once_per: str


@dataclass(frozen=True)
class Conversion:
    """One event that counts."""

    name: str
    event: Event
    value: Decimal | None
    value_in_usd: Decimal | None


def conversions_of(
    events: Iterable[Event],
    session_of: Mapping[tuple[str, int], object],
    definitions: Iterable[Definition],
    rates: Mapping[str, Mapping[date, Decimal]],
) -> list[Conversion]:
    """Return the conversions; `session_of` gives the session of the record at a place."""
    # A visitor's goes before a server's of a user, and that before what belongs to no session; then
    # the earlier counts.
    ordered = sorted(
        events,
        key=lambda event: (
            event.device_id is None,
            event.device_id == f"user:{event.user_id}",
            event.occurred_at,
            event.event_id,
        ),
    )
    found = []
    for definition in definitions:
        counted = set()
        for event in ordered:
            if not definition.selector.is_done_by(_action(event)):
                continue
            once = _once(definition, event, session_of)
            if once in counted:
                continue
            counted.add(once)
            value = event.revenue if definition.value == "revenue" else None
            found.append(Conversion(definition.name, event, value, _in_usd(event, value, rates)))
    return found


def _action(event: Event) -> Action:
    return Action(
        event.event_id, event.source_name, event.event_name, event.page_path, event.occurred_at
    )


def _once(
    definition: Definition, event: Event, session_of: Mapping[tuple[str, int], object]
) -> object:
    if definition.once_per == "order" and event.order_id is not None:
        return event.source_name, event.order_id
    if definition.once_per == "session" and event.place in session_of:
        return session_of[event.place]
    return event.place


def _in_usd(
    event: Event, value: Decimal | None, rates: Mapping[str, Mapping[date, Decimal]]
) -> Decimal | None:
    """Convert at the latest rate of the last week; without one, there is no value."""
    if value is None or event.currency == "USD":
        return value
    today = event.occurred_at.date()
    week = timedelta(days=7)
    days = [day for day in rates.get(event.currency, {}) if today - week <= day <= today]
    if not days:
        return None
    rate = rates[event.currency][max(days)]
    return (value * rate).quantize(Decimal("0.0001"), ROUND_HALF_UP)
