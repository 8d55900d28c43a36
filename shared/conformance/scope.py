"""Which other cases count together with those that were read: caps per number, and the ramp, go across cases."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from conformance.record import LogEntry
from conformance.rules import JURISDICTIONS

_WAYS = {way for rules in JURISDICTIONS.values() for cap in rules.caps if cap.scope == "number" for way in cap.ways}


class Number(NamedTuple):
    """A telephone number, by its token, at which a case may be reached in a way that a number's cap counts."""

    token: str
    case: str


def numbers(events: Iterable[LogEntry]) -> set[Number]:
    """Those of the permits among `events`."""
    return {
        Number(token, event.case)
        for event in events
        if event.type in ("contact.permitted", "visit.permitted")
        and event.data.get("channel", "visit") in _WAYS
        and isinstance(token := event.data.get("phone_token"), str)
    }


def ramped(events: Iterable[LogEntry]) -> Mapping[str, tuple[datetime, datetime]]:
    """Tenants that have ever set a ramp, with the instants of the first and the last of the `first` permits here."""
    firsts: dict[str, list[datetime]] = defaultdict(list)
    tenants: set[str] = set()
    for event in events:
        if event.type == "tenant.ramp-set":
            tenants.add(event.tenant)
        elif event.data.get("first"):
            firsts[event.tenant].append(event.at)
    return {tenant: (min(firsts[tenant]), max(firsts[tenant])) for tenant in tenants & firsts.keys()}
