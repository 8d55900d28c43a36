"""Instants as people and programs write them. Pure."""

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from doorstep.events import bounds


class NoInstant(ValueError):
    """That is no instant; the message says how to write one."""


def instant(told: str | None, zone: str | None = None) -> datetime | None:
    """The instant in `told`; None where nothing is told. One without an offset is read in `zone`, or refused where
    none is given. Raises NoInstant."""
    if not told:
        return None
    try:
        # In a query an unescaped plus sign arrives as a space.
        moment = datetime.fromisoformat(re.sub(r" (\d\d:?\d\d)$", r"+\1", told))
        if moment.tzinfo is None and zone is not None:
            moment = moment.replace(tzinfo=ZoneInfo(zone))
        if moment.tzinfo is None:
            raise ValueError("no offset")
        return bounds.instant(moment).astimezone(UTC)
    except bounds.OutOfBounds as error:
        raise NoInstant(str(error)) from None
    except (ZoneInfoNotFoundError, ValueError, OSError, OverflowError):
        raise NoInstant("want an instant with its offset, such as 2026-03-01T10:00:00+08:00") from None
