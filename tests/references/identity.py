"""Whose a session is: the user's in it, else before it, else after it, else the device's.

And which of these are one, because a source itself says so.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tests.references.events import Event, in_order
from tests.references.sessions import Session

Person = tuple[str, str, str]


@dataclass(frozen=True)
class Link:
    """What a source says of ids: they are one person's. `anonymous` ones are devices'."""

    source_name: str
    identifiers: tuple[str, ...]
    linked_at: datetime | None
    link_id: str
    anonymous: frozenset[str] = frozenset()

    @property
    def order(self) -> tuple[bool, datetime | None, str]:
        """Return what the first of several links is first by."""
        return self.linked_at is None, self.linked_at, self.link_id


def persons_of(
    sessions: Iterable[Session],
    namespaces: Mapping[str, str],
    events: Iterable[Event] = (),
    links: Sequence[Link] = (),
) -> list[tuple[Session, Person]]:
    """Return each session with its person; sources of one namespace share their users.

    Of the events, those with a user or a device tell which linked ids are a user's or a device's.
    """
    devices: dict[tuple[str, str], list[Session]] = defaultdict(list)
    for session in sessions:
        devices[session.source_name, session.device_id].append(session)
    merged = _merged(events, links, namespaces)
    owned = []
    for (source_name, device_id), visits in devices.items():
        named = [e for visit in visits for e in visit.events if e.user_id is not None]
        for session in visits:
            user = _user_of(session, in_order(named))
            if user is None:
                person = ("device", source_name, device_id)
            else:
                person = ("user", namespaces[source_name], user)
            owned.append((session, merged.get(person, person)))
    return owned


def _user_of(session: Session, named: Sequence[Event]) -> str | None:
    if session.user_id is not None:
        return session.user_id
    before = [event.user_id for event in named if event.occurred_at <= session.started_at]
    after = [event.user_id for event in named if event.occurred_at > session.started_at]
    return before[-1] if before else after[0] if after else None


def _merged(
    events: Iterable[Event], links: Sequence[Link], namespaces: Mapping[str, str]
) -> dict[Person, Person]:
    """Return, for each id in a link, one that stands for all that are the same person."""
    known_users, known_devices = set(), set()
    for event in events:
        known_users.add((namespaces[event.source_name], event.user_id))
        known_devices.add((event.source_name, event.device_id))

    def person(link: Link, identifier: str) -> Person:
        source_name, namespace = link.source_name, namespaces[link.source_name]
        is_user = (namespace, identifier) in known_users
        is_device = (source_name, identifier) in known_devices
        if identifier in link.anonymous or (is_device and not is_user):
            return "device", source_name, identifier
        return "user", namespace, identifier

    ids = _Union()
    groups = _Union()
    given: dict[Person, list[Link]] = defaultdict(list)
    for link in links:
        members = [person(link, identifier) for identifier in link.identifiers]
        users = [member for member in members if member[0] == "user"]
        ids.join(users)
        # people share devices: one joins other devices, never two users
        if not users:
            groups.join(members)
    for link in links:
        members = [person(link, identifier) for identifier in link.identifiers]
        users = [member for member in members if member[0] == "user"]
        for device in (member for member in members if member[0] == "device" and users):
            given[groups.root(device)].append(link)
    found = {}
    for link in links:
        for member in (person(link, identifier) for identifier in link.identifiers):
            if member[0] == "user":
                found[member] = ids.root(member)
            elif given[groups.root(member)]:
                first = min(given[groups.root(member)], key=lambda each: each.order)
                named = (person(first, identifier) for identifier in first.identifiers)
                found[member] = ids.root(next(each for each in named if each[0] == "user"))
            else:
                found[member] = groups.root(member)
    return found


class _Union:
    """Sets that are joined; each is known by one of its members."""

    def __init__(self) -> None:
        self._parents: dict[Person, Person] = {}

    def root(self, member: Person) -> Person:
        while (parent := self._parents.get(member, member)) != member:
            member = parent
        return member

    def join(self, members: Sequence[Person]) -> None:
        for member in members[1:]:
            self._parents[self.root(member)] = self.root(members[0])
