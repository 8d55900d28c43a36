"""The context of an assessment: everything that deciding on a case's next step wants to know, found once."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec
from doorstep.events.escalation.cases import CaseAssessed
from doorstep.events.escalation.permits import Purpose
from doorstep.events.values import Channel, ContactMethod, ContactPoint, Money, Override, PackRef
from doorstep.messaging.channels import CHANNELS
from msgspec.structs import replace

from escalation.domain.assessment.decision_context import DecisionContext
from escalation.domain.assessment.guards import NOTICE
from escalation.domain.case.case import Case
from escalation.domain.case.contacts import Contacts
from escalation.domain.rules import rules
from escalation.domain.rules.pack import Pack
from escalation.domain.rules.request import ContactRequest
from escalation.domain.rules.schema import FollowUpNoticeRule, PriorNoticeRule
from escalation.domain.strategy.strategy import Choice, Situation, Step

VISIT_AGAIN = timedelta(days=7)
"""After a visit that was not made, the next one waits: whatever was in the way may still be, and the borrower
may have had the notice."""
VISIT_EVERY = timedelta(days=31)
"""No pack allows two visits within it, so the strategy looks for milder means meanwhile."""
GIVEN = ("open", "sent", "delivered", "answered")
"""Outcomes of a notice that is not wanted a second time."""
WITHOUT_PHONE: tuple[Channel, ...] = ("email", "push", "letter")
"""Where there is no telephone, the first of these that there is."""
OVERRIDDEN = timedelta(days=1)
"""How long the strategy waits after a step that a person chose."""


def assessment_context(
    case: Case,
    decision_context: DecisionContext,
    now: datetime,
    owed: dict[str, Money],
    amount: Money,
    others: tuple[Money, ...],
) -> "AssessmentContext":
    """The context of assessing `case`, of which `owed` is to be collected, `amount` in all; `others` is what is owed in
    other currencies."""
    policy = decision_context.policy
    packs = policy.packs_at(case.borrower.country)
    zones = rules.zones_of(case.borrower.time_zone, case.borrower.region, policy.terms.home)
    situation = _situation(case, now, owed, amount, packs, zones)
    choice = policy.strategy.choose(situation)
    return AssessmentContext(
        case, decision_context, now, owed, amount, others, packs, zones, situation, choice, case.overrides.approved()
    )


class AssessmentContext(msgspec.Struct, frozen=True):
    """A case at an instant, with all that deciding on its next step wants to know: whose rules are asked, where the
    borrower may be, what the strategy is asked and wants, and what two persons want instead."""

    case: Case
    decision_context: DecisionContext
    now: datetime
    owed: dict[str, Money]
    amount: Money
    others: tuple[Money, ...]
    packs: tuple[Pack, ...]
    zones: tuple[ZoneInfo, ...]
    situation: Situation
    choice: Choice
    override: Override | None

    @property
    def step(self) -> Step:
        """The step to decide on."""
        if self.override is None:
            assert self.choice.step is not None
            return _reachable(self.choice.step, self.case.borrower.contact_points)
        wanted = self.case.overrides.waiting[self.override.override_id]
        purpose = None if wanted.way == "visit" else wanted.purpose
        return Step(f"override-{wanted.way}", wanted.way, purpose, OVERRIDDEN, self.case.contacts.stage)

    @property
    def due(self) -> datetime:
        """When the strategy's step may be taken. After a visit, too, the borrower is left alone for a while; and all
        the time while one may be made."""
        every, contacts = self.step.every, self.case.contacts
        if self.step.way == "visit":
            return self.now
        last = [permit.at for permit in contacts.ledger if permit.way != "visit" and permit.counts()]
        last += [contacts.last_visit] if contacts.last_visit else []
        visiting = [permit.valid_until for permit in contacts.ledger if permit.way == "visit" and permit.open()]
        return max([max(last) + every, *visiting] if last else visiting, default=self.now)

    @property
    def next_assessment(self) -> datetime:
        """When the step after this one may be due, if this one goes out and nobody answers."""
        situation, step = self.situation, self.step
        after = self.decision_context.policy.strategy.step(
            msgspec.structs.replace(
                situation,
                stage_reached=max(situation.stage_reached, step.stage),
                unanswered=situation.unanswered + 1,
                contacts=situation.contacts + 1,
                notice_wanted=situation.notice_wanted and step.purpose != "collection-notice",
                validation_wanted=self.unvalidated and step.purpose != "validation-notice",
                visit_possible=False,
            )
        )
        return self.now + (min(step.every, after.every) if after else step.every)

    @property
    def unvalidated(self) -> bool:
        """Whether a debt that is contacted now has to be validated soon."""
        wanted = FollowUpNoticeRule in summary_of(self.packs).kinds
        return wanted and bool(self.owed.keys() - _noticed(self.case, "validation-notice"))

    def request(self, way: ContactMethod, purpose: str | None) -> ContactRequest:
        """What the packs are asked about."""
        case = self.case
        return ContactRequest(
            way=way,
            purpose=purpose,
            now=self.now,
            zones=self.zones,
            loans=tuple(sorted(self.owed)),
            dpd=self.situation.dpd,
            person=[permit.entry() for permit in case.contacts.ledger if permit.counts()],
            number=tuple(self.decision_context.number.reached.values()),
            address=tuple(self.decision_context.address.reached.values()),
            holds=tuple(case.holds.by_id.values()),
            consents=tuple(case.preferences.consents.values()),
            blocks=tuple(case.preferences.blocks.values()),
            episode_at=case.lifecycle.episode_at,
        )

    def nothing(self, reason: Literal["no-step", "not-due", "same-denial"], at: datetime | None) -> CaseAssessed:
        """Nothing is to be done, until `at`."""
        return CaseAssessed(
            dpd=self.situation.dpd,
            amount_overdue=self.amount,
            reason=reason,
            assess_at=at,
            business_date=self.case.loans.business_date(),
            other_amounts=self.others,
        )


def _reachable(step: Step, points: Collection[ContactPoint]) -> Step:
    """The step, or the same by what the borrower has, where it needs a telephone and there is none. A visit is told of
    by SMS: in its place they are written to."""
    way: Channel | None = next((one for one in WITHOUT_PHONE if CHANNELS[one].point in points), None)
    needed = CHANNELS[NOTICE if step.way == "visit" else step.way].point
    if needed != "phone" or needed in points or way is None:
        return step
    return replace(step, way=way, purpose=step.purpose or "firm-reminder")


@dataclass(frozen=True, slots=True)
class PackSummary:
    """What a decision says of its packs: which they are, whose law they tell, and what kinds of rules they have."""

    refs: tuple[PackRef, ...]
    countries: tuple[str, ...]
    kinds: frozenset[type]


@lru_cache(maxsize=256)
def summary_of(packs: tuple[Pack, ...]) -> PackSummary:
    """What these packs say of themselves, found once."""
    return PackSummary(
        refs=tuple(pack.ref for pack in packs),
        countries=tuple(sorted({country for pack in packs for country in pack.countries})),
        kinds=frozenset(type(rule) for pack in packs for rule in pack.rules),
    )


def _situation(
    case: Case,
    now: datetime,
    owed: dict[str, Money],
    amount: Money,
    packs: tuple[Pack, ...],
    zones: tuple[ZoneInfo, ...],
) -> Situation:
    episode, promises = case.lifecycle.episode, case.promises
    went_out = [one for one in case.contacts.ledger if one.way != "visit" and one.episode == episode and one.went_out()]
    kinds = summary_of(packs).kinds
    due = [promise.due for promise in promises.running.values()]
    loans = [case.loans.by_id[name] for name in owed]
    return Situation(
        dpd=case.loans.dpd(),
        amount=amount,
        stage_reached=case.contacts.stage,
        unanswered=case.contacts.unanswered(),
        contacts=len(went_out),
        answers=case.contacts.answers,
        kept=promises.kept,
        partly_kept=promises.partly_kept,
        broken=promises.broken,
        attitude=case.contacts.attitude,
        promise_broken=promises.broken_unsaid,
        promise_due_in=(min(due) - now.astimezone(zones[0]).date()).days if due else None,
        notice_wanted=PriorNoticeRule in kinds and bool(owed.keys() - _noticed(case, "collection-notice")),
        validation_wanted=FollowUpNoticeRule in kinds
        and bool(owed.keys() & {loan for one in went_out for loan in one.loans} - _noticed(case, "validation-notice")),
        visit_possible=_visit_possible(case.contacts, now),
        products=tuple(sorted({loan.product for loan in loans})),
        segment=min((loan.segment for loan in loans if loan.segment), default=None),
        episode=episode,
        has_address="address" in case.borrower.contact_points,
        has_email="email" in case.borrower.contact_points,
        has_push_token="push_token" in case.borrower.contact_points,
    )


def _noticed(case: Case, purpose: Purpose) -> set[str]:
    """The loans of which this notice was given in this episode, or is being given."""
    episode = case.lifecycle.episode
    notices = [one for one in case.contacts.ledger if one.purpose == purpose and one.episode == episode]
    return {loan for one in notices if one.result() in GIVEN for loan in one.loans}


def _visit_possible(contacts: Contacts, now: datetime) -> bool:
    if any(permit.way == "visit" and permit.open() for permit in contacts.ledger):
        return False
    rested = contacts.last_visit is None or contacts.last_visit + VISIT_EVERY <= now
    return rested and (contacts.visit_unmade is None or contacts.visit_unmade + VISIT_AGAIN <= now)
