"""Topics: who alone writes each, and what the buses have to know of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

LOANS = "doorstep.loans.v1"
ESCALATION = "doorstep.escalation.v1"
REMINDER = "doorstep.reminder.v1"
VISITS = "doorstep.visits.v1"
AUDIT = "doorstep.audit.v1"
INTAKE = "doorstep.intake.v1"


KEPT_AT_LEAST = timedelta(days=30)
"""How long a broker has to keep what we say: whoever is away longer loses messages, and is stopped by that."""


@dataclass(frozen=True)
class Topic:
    """`owner` is the service that alone writes it; None: the bank does. One with `plaintext` holds borrowers in full:
    the embedded bus seals its values, and deletes what was read. `retention` is how long a broker keeps a message
    (None: for ever), `segment` the steps in which it forgets (None: as the broker is set up)."""

    name: str
    owner: str | None
    plaintext: bool = False
    retention: timedelta | None = None
    segment: timedelta | None = None


TOPICS = {
    one.name: one
    for one in (
        Topic(LOANS, "escalation"),
        Topic(ESCALATION, "escalation"),
        Topic(REMINDER, "reminder"),
        Topic(VISITS, "visit-scheduler"),
        Topic(AUDIT, "audit"),
        # Forgotten within a day or so; whoever was away longer asks the bank again.
        Topic(INTAKE, None, plaintext=True, retention=timedelta(days=1), segment=timedelta(hours=1)),
    )
}


def of(service: str, listens: Iterable[str]) -> Sequence[str]:
    """The topics a service has to do with: those it writes and those it hears."""
    heard = set(listens)
    return tuple(one.name for one in TOPICS.values() if one.owner == service or one.name in heard)


PUBLISHED = tuple(one.name for one in TOPICS.values() if not one.plaintext)
"""Every topic of ours; the audit reads them all. intake.v1, with its plaintext, is not among them."""
PLAINTEXT = frozenset(one.name for one in TOPICS.values() if one.plaintext)
