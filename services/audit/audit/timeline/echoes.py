"""Which entries only say again what an executor said: the ledger's lines on what became of a permit. Pure."""

from collections.abc import Mapping, Sequence

from doorstep.events import reminder, visits
from doorstep.events.escalation.outcomes import ContactOutcomeRecorded, VisitOutcomeRecorded
from doorstep.events.registry import Event

from audit.store.entry import Entry

Booked = ContactOutcomeRecorded | VisitOutcomeRecorded
_OUTCOMES: Mapping[type[Event | None], str] = {
    reminder.ContactSent: "sent",
    reminder.ContactNotSent: "not-sent",
    reminder.ContactFailed: "failed",
    reminder.ContactUnknown: "unknown",
    reminder.ReplyReceived: "answered",
    visits.VisitNoticed: "noticed",
    visits.NoticeFailed: "failed",
    visits.VisitStarted: "started",
    visits.VisitCompleted: "completed",
    visits.VisitFailed: "failed",
    visits.VisitCancelled: "not-made",
}
"""What an executor's event comes to in the ledger; of a receipt, its own status."""


def echoes(entries: Sequence[Entry]) -> Mapping[int, int]:
    """By the position of a ledger's line, the position of the executor's event that caused it and says the same of the
    same permit. No event is repeated twice."""
    booked = [(one, event) for one in entries if isinstance(event := one.event, Booked)]
    wanted = {one.envelope.causationid for one, _ in booked}
    causes = {one.envelope.id: one for one in reversed(entries) if one.envelope.id in wanted}
    found: dict[int, int] = {}
    for one, event in booked:
        cause = causes.get(one.envelope.causationid or "")
        if cause is not None and _outcome(cause.event) == (event.permit_id, event.outcome):
            found.setdefault(cause.position, one.position)
    return {line: cause for cause, line in found.items()}


def _outcome(event: Event | None) -> tuple[str | None, str | None]:
    """Of which permit, and what became of it."""
    permit = getattr(event, "permit_id", None) or getattr(event, "visit_id", None)
    return permit, event.status if isinstance(event, reminder.ReceiptRecorded) else _OUTCOMES.get(type(event))
