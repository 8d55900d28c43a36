"""Topics: who alone writes each, and what the buses have to know of it."""

from dataclasses import dataclass
from datetime import timedelta

LOANS = "doorstep.loans.v1"
ESCALATION = "doorstep.escalation.v1"
REMINDER = "doorstep.reminder.v1"
VISITS = "doorstep.visits.v1"
AUDIT = "doorstep.audit.v1"
INTAKE = "doorstep.intake.v1"


@dataclass(frozen=True)
class Topic:
    """`owner` is the service that alone writes it; None: the bank does. One with `plaintext` holds borrowers in full:
    the embedded bus seals its values, and deletes what was read. `retention` is how long a broker keeps a message,
    `segment` the steps in which it forgets; None: as the broker is set up."""

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
PUBLISHED = tuple(one.name for one in TOPICS.values() if not one.plaintext)
"""Every topic of ours; the audit reads them all. intake.v1, with its plaintext, is not among them."""
PLAINTEXT = frozenset(one.name for one in TOPICS.values() if one.plaintext)
