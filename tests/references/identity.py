"""Whose a session is: the user's in it, else before it, else after it, else the device's."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from tests.references.events import Event, in_order
from tests.references.sessions import Session

Person = tuple[str, str, str]


def persons_of(
    sessions: Iterable[Session], namespaces: Mapping[str, str]
) -> list[tuple[Session, Person]]:
    """Return each session with its person; sources of one namespace share their users."""
    devices: dict[tuple[str, str], list[Session]] = defaultdict(list)
    for session in sessions:
        devices[session.source_name, session.device_id].append(session)
    owned = []
    for (source_name, device_id), visits in devices.items():
        named = [e for visit in visits for e in visit.events if e.user_id is not None]
        for session in visits:
            user = _user_of(session, in_order(named))
            if user is None:
                owned.append((session, ("device", source_name, device_id)))
            else:
                owned.append((session, ("user", namespaces[source_name], user)))
    return owned


def _user_of(session: Session, named: Sequence[Event]) -> str | None:
    if session.user_id is not None:
        return session.user_id
    before = [event.user_id for event in named if event.occurred_at <= session.started_at]
    after = [event.user_id for event in named if event.occurred_at > session.started_at]
    return before[-1] if before else after[0] if after else None
