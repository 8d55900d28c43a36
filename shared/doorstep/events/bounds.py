"""Which days and instants may be told to us. Every door asks here (`doorstep.infra.bodies` for HTTP, the commands, the
intake), so that nothing inside meets the edge of the calendar, where arithmetic fails. Pure.

What is on record already may lie outside: it is shown as it is."""

from datetime import UTC, date, datetime, timedelta

FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(2199, 12, 31)
"""A date outside is a typing error, and arithmetic on it could fail later."""
LEEWAY = timedelta(minutes=5)
"""How far the clock of whoever tells us may go ahead of ours."""
_FIRST = datetime.combine(FIRST_DAY, datetime.min.time(), UTC)
_LAST = datetime.combine(LAST_DAY, datetime.max.time(), UTC)


class OutOfBounds(ValueError):
    """No such day or instant is taken; the message says which are, and quotes nothing."""


def day(told: date) -> date:
    """`told`, a day that may be told. Raises OutOfBounds."""
    if not FIRST_DAY <= told <= LAST_DAY:
        raise OutOfBounds(f"lies outside {FIRST_DAY} to {LAST_DAY}")
    return told


def instant(told: datetime) -> datetime:
    """`told`, an instant with an offset that may be told, at whatever clock time in the future. Raises OutOfBounds."""
    if not _FIRST <= told <= _LAST:
        raise OutOfBounds(f"lies outside {FIRST_DAY} to {LAST_DAY}")
    return told


def happened(told: datetime, now: datetime) -> datetime:
    """`told`, an instant of something that has happened by `now`. Raises OutOfBounds."""
    if instant(told) > now + LEEWAY:
        raise OutOfBounds("has not come yet; look at the clock and the offset of whoever tells it")
    return told
