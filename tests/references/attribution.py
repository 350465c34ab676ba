"""The six rule-based attribution models on one path of touches, by CONTRACT.md."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

LOOKBACK = timedelta(days=30)
HALF_LIFE = timedelta(days=7)
FIRST_WEIGHT, MIDDLE_WEIGHT, LAST_WEIGHT = Fraction(2, 5), Fraction(1, 5), Fraction(2, 5)


@dataclass(frozen=True)
class Touch:
    """A session that may have led to the conversion."""

    session_id: str
    channel: str
    touched_at: datetime
    is_report: bool = False
    """Whether a server reported it of a user, without a view or a word of where it came from."""


def touches_of(sessions: Sequence[Touch], converted_at: datetime) -> list[Touch]:
    """Return the sessions that begin at or before the conversion and within the look-back.

    Those that are only reported count where there are no others.
    """
    found = sorted(
        (s for s in sessions if timedelta(0) <= converted_at - s.touched_at <= LOOKBACK),
        key=lambda touch: (touch.touched_at, touch.session_id),
    )
    return [touch for touch in found if not touch.is_report] or found


def credits_of(touches: Sequence[Touch], converted_at: datetime) -> dict[str, list[float]]:
    """Return for every model the credit of each touch, in their order."""
    count = len(touches)
    last_non_direct = max(
        (i for i, touch in enumerate(touches) if touch.channel != "Direct"), default=count - 1
    )
    decay = [2.0 ** (-((converted_at - touch.touched_at) / HALF_LIFE)) for touch in touches]
    return {
        "first_touch": _all_to(0, count),
        "last_touch": _all_to(count - 1, count),
        "last_non_direct_touch": _all_to(last_non_direct, count),
        "linear": [1 / count] * count,
        "position_based": _by_position(count),
        "time_decay": [weight / sum(decay) for weight in decay],
    }


def _all_to(position: int, count: int) -> list[float]:
    return [float(i == position) for i in range(count)]


def _by_position(count: int) -> list[float]:
    if count == 1:
        return [1.0]
    if count == 2:
        ends = FIRST_WEIGHT + LAST_WEIGHT
        return [float(FIRST_WEIGHT / ends), float(LAST_WEIGHT / ends)]
    middle = MIDDLE_WEIGHT / (count - 2)
    return [float(w) for w in (FIRST_WEIGHT, *[middle] * (count - 2), LAST_WEIGHT)]
