"""What reminder does about what escalation says."""

from collections.abc import Iterable

from doorstep.events.envelope import Envelope
from doorstep.events.escalation.permits import ContactPermitted, PermitCancelled
from doorstep.events.registry import Event
from doorstep.events.reminder import Terms
from doorstep.kernel.decider import Routed, StreamId

from reminder.domain import CATEGORY, Cancel, Schedule


def react(envelope: Envelope, event: Event) -> Iterable[Routed]:
    """A permit is scheduled; a cancelled one is cancelled. Everything else is for others."""
    match event:
        case ContactPermitted():
            yield Routed(_contact(envelope, event.permit_id), _schedule(event))
        case PermitCancelled(kind="contact", permit_id=permit_id, reason=reason):
            withdrawal = Cancel("suspended" if reason == "suspended" else "cancelled")
            yield Routed(_contact(envelope, permit_id), withdrawal)
        case _:
            return


def _contact(envelope: Envelope, permit_id: str) -> StreamId:
    return StreamId(CATEGORY, permit_id, envelope.partitionkey, envelope.tenant)


def _schedule(permit: ContactPermitted) -> Schedule:
    terms = Terms(
        purpose=permit.purpose,
        language=permit.language,
        loan_ids=permit.loan_ids,
        amount=permit.amount,
        windows=permit.windows,
        valid_until=permit.valid_until,
        personal=permit.personal,
        region=permit.region,
    )
    return Schedule(permit.permit_id, permit.channel, terms)
