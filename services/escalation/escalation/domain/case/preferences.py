"""What the borrower wishes (consents, blocked hours and ways), and what people want instead of the strategy."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import assert_never

from doorstep.events.escalation.overrides import OverrideApproved, OverrideRejected, OverrideRequested
from doorstep.events.escalation.preferences import BlockRecorded, BlockRemoved, ConsentRecorded, ConsentWithdrawn
from doorstep.kernel.decider import Refused
from doorstep.messaging.windows import next_quarter

from escalation.domain.assessment.decision_context import DecisionContext
from escalation.domain.case.commands import (
    ApproveOverride,
    RecordBlock,
    RecordConsent,
    RejectOverride,
    RemoveBlock,
    RequestOverride,
    WithdrawConsent,
)
from escalation.domain.case.fold import evolve
from escalation.domain.case.state import Block, Case, Event, RequestedOverride, cancellations
from escalation.domain.policy import country_of
from escalation.domain.rules.schema import BlocksRule


def decide_wish(
    case: Case,
    command: RecordConsent | WithdrawConsent | RecordBlock | RemoveBlock,
    context: DecisionContext,
    now: datetime,
) -> Sequence[Event]:
    """What follows. Raises Refused for a consent or block that is not there, and for more hours than can be blocked."""
    soon = next_quarter(now)
    match command:
        case RecordConsent(consent_id, kind, ways, until):
            consent = ConsentRecorded(consent_id=consent_id, kind=kind, ways=ways, until=until, assess_at=soon)
            return [] if consent_id in case.consents else [consent]
        case WithdrawConsent(consent_id):
            if consent_id not in case.consents:
                raise Refused(f"the case has no consent {consent_id}; it has: {', '.join(case.consents) or 'none'}")
            return [ConsentWithdrawn(consent_id=consent_id, assess_at=soon), *cancellations(case.ledger, "consent")]
        case RecordBlock():
            return [] if command.block_id in case.blocks else _block(case, command, context)
        case RemoveBlock(block_id):
            if block_id not in case.blocks:
                raise Refused(f"the case has no block {block_id}; it has: {', '.join(case.blocks) or 'none'}")
            return [BlockRemoved(block_id=block_id, assess_at=soon)]
    assert_never(command)


def _block(case: Case, command: RecordBlock, context: DecisionContext) -> Sequence[Event]:
    if (command.opens is None) != (command.closes is None):
        raise Refused("give both opens and closes, or neither")
    blocked = BlockRecorded(
        block_id=command.block_id,
        ways=command.ways,
        weekdays=command.weekdays,
        opens=command.opens,
        closes=command.closes,
    )
    after = evolve(case, blocked)
    packs = context.policy.packs_at(country_of(case.region))
    limits = [rule.hours_a_week for pack in packs for rule in pack.rules if isinstance(rule, BlocksRule)]
    limit = min((limit for limit in limits if limit is not None), default=None)
    hours = sum(_hours_a_week(one) for one in after.blocks.values())
    if limit is not None and hours > limit:
        raise Refused(f"{hours:g} hours a week would be blocked; {limit} can be, so remove another block first")
    return [
        blocked,
        *cancellations((one for one in case.ledger if not command.ways or one.way in command.ways), "hold"),
    ]


def decide_override(
    case: Case, command: RequestOverride | ApproveOverride | RejectOverride, now: datetime
) -> Sequence[Event]:
    """What follows. Raises Refused for one that is not there, and for the same person twice."""
    match command:
        case RequestOverride():
            if command.override_id in case.overrides_heard:
                return []
            if not case.open:
                raise Refused("the case is not open: there is no next step to choose")
            return [
                OverrideRequested(
                    override_id=command.override_id,
                    way=command.way,
                    purpose=command.purpose,
                    reason=command.reason,
                    by=command.by,
                )
            ]
        case ApproveOverride(override_id, by):
            wanted = _wanted(case, override_id)
            if wanted.approved_by is not None:
                return []
            if wanted.by == by:
                raise Refused(f"{by} asked for this override: a second person has to approve it")
            return [OverrideApproved(override_id=override_id, by=by, assess_at=next_quarter(now))]
        case RejectOverride(override_id, by, reason):
            _wanted(case, override_id)
            return [OverrideRejected(override_id=override_id, by=by, reason=reason)]
    assert_never(command)


def _wanted(case: Case, override_id: str) -> RequestedOverride:
    if override_id not in case.overrides:
        raise Refused(f"no override {override_id} waits; there are: {', '.join(case.overrides) or 'none'}")
    return case.overrides[override_id]


def _hours_a_week(block: Block) -> float:
    """Of a block with hours; one of ways alone blocks none."""
    if block.opens is None or block.closes is None:
        return 0
    opens, closes = (timedelta(hours=at.hour, minutes=at.minute) for at in (block.opens, block.closes))
    day = (closes - opens) % timedelta(days=1) or timedelta(days=1)
    return (len(block.weekdays) or 7) * (day / timedelta(hours=1))
