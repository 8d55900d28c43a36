"""What a visit hears: a permit arrives, or is withdrawn."""

from collections.abc import Iterable

from doorstep.events.envelope import Envelope
from doorstep.events.escalation.permits import PermitCancelled, VisitPermitted
from doorstep.events.registry import Event
from doorstep.events.visits import VisitTerms
from doorstep.kernel.decider import Routed, StreamId

from visit_scheduler.domain.commands import Cancel, Request


def react(envelope: Envelope, event: Event) -> Iterable[Routed]:
    """The commands `event` asks for."""
    match event:
        case VisitPermitted(permit_id=permit_id):
            yield Routed(_stream(envelope, permit_id), Request(permit_id, _terms(event)))
        case PermitCancelled(permit_id=permit_id, kind="visit", reason=reason):
            yield Routed(_stream(envelope, permit_id), Cancel(reason))
        case _:
            pass


def _stream(envelope: Envelope, permit_id: str) -> StreamId:
    return StreamId("visit", permit_id, envelope.partitionkey, envelope.tenant)


def _terms(permit: VisitPermitted) -> VisitTerms:
    return VisitTerms(
        amount=permit.amount,
        language=permit.language,
        windows=permit.windows,
        valid_until=permit.valid_until,
        minimum_staff=permit.minimum_staff,
        notice_hours=permit.notice_hours,
        personal=permit.personal,
        region=permit.region,
        allowed=permit.allowed,
        notice_allowed=permit.notice_allowed,
        duties=permit.duties,
        agency=permit.agency,
    )
