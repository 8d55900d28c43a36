"""What reminder does about what escalation says."""

from collections.abc import Iterable

import msgspec
from doorstep.events.envelope import Envelope
from doorstep.events.escalation.permits import ContactPermitted, PermitCancelled
from doorstep.events.registry import Event
from doorstep.events.reminder import ContactTerms
from doorstep.kernel.decider import Routed, StreamId

from reminder.domain import CATEGORY, Schedule, Withdraw

REACTS_TO = (ContactPermitted, PermitCancelled)


def react(envelope: Envelope, event: Event) -> Iterable[Routed]:
    """A permit is scheduled; a cancelled one is cancelled. Everything else is for others."""
    match event:
        case ContactPermitted():
            terms = msgspec.convert(event, ContactTerms, from_attributes=True)
            yield Routed(_contact(envelope, event.permit_id), Schedule(event.permit_id, event.channel, terms))
        case PermitCancelled(kind="contact", permit_id=permit_id, reason=reason):
            withdrawal = Withdraw(permit_id, "suspended" if reason == "suspended" else "cancelled")
            yield Routed(_contact(envelope, permit_id), withdrawal)
        case _:
            return


def _contact(envelope: Envelope, permit_id: str) -> StreamId:
    return StreamId(CATEGORY, permit_id, envelope.partitionkey, envelope.tenant)
