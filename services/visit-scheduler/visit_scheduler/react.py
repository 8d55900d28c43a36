"""What a visit hears: a permit arrives, or is withdrawn."""

from collections.abc import Iterable

import msgspec
from doorstep.events.envelope import Envelope
from doorstep.events.escalation.permits import PermitCancelled, VisitPermitted
from doorstep.events.registry import Event
from doorstep.events.visits import VisitTerms
from doorstep.kernel.decider import Routed, StreamId

from visit_scheduler.domain.commands import Cancel, Request

REACTS_TO = (VisitPermitted, PermitCancelled)


def react(envelope: Envelope, event: Event) -> Iterable[Routed]:
    """The commands `event` asks for."""
    match event:
        case VisitPermitted(permit_id=permit_id):
            terms = msgspec.convert(event, VisitTerms, from_attributes=True)
            yield Routed(_stream(envelope, permit_id), Request(permit_id, terms))
        case PermitCancelled(permit_id=permit_id, kind="visit", reason=reason):
            yield Routed(_stream(envelope, permit_id), Cancel(permit_id, reason))
        case _:
            pass


def _stream(envelope: Envelope, permit_id: str) -> StreamId:
    return StreamId("visit", permit_id, envelope.partitionkey, envelope.tenant)
