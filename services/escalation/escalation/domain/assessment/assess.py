"""The assessment: what a case's strategy wants at an instant, and whether the rules allow it."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from functools import reduce
from itertools import cycle, islice
from zoneinfo import ZoneInfo

import msgspec
from doorstep.events.envelope import derived_id
from doorstep.events.escalation.cases import CaseAssessed
from doorstep.events.escalation.permits import ContactDenied, ContactPermitted, VisitDenied, VisitPermitted
from doorstep.events.values import Decision, Inputs, Money, Span, Verdict, Windows

from escalation.domain.assessment import guards
from escalation.domain.assessment.context import AssessmentContext, assessment_context, summary_of
from escalation.domain.assessment.decision_context import DecisionContext
from escalation.domain.case import holds, promises
from escalation.domain.case.case import Case, Event, evolve
from escalation.domain.case.contacts import STAGES, Contacts, LedgerEntry, Permit
from escalation.domain.case.lifecycle import Decided, denial, opened_or_cured
from escalation.domain.case.loans import by_currency, total
from escalation.domain.rules import rules
from escalation.domain.rules.hours import midnight
from escalation.domain.rules.request import ContactRequest
from escalation.domain.strategy.strategy import Step, bucket

VISIT_VALID = timedelta(days=14)
ROUNDS = 8
LATELY = timedelta(days=2)
"""Whatever went out on the borrower's present day was permitted within it."""

MOMENT = timedelta.resolution
NEVER = datetime.min.replace(tzinfo=UTC)

Assessed = CaseAssessed | Decided
"""What an assessment ends with."""


def assess(case: Case, decision_context: DecisionContext, now: datetime) -> Sequence[Event]:
    """Open or cure the case, end what has run out, then decide the next step. Always at least one event:
    an assessment that led to nothing is on record too."""
    first: list[Event] = [
        *holds.begun(case.holds, case.contacts, now),
        *holds.ended(case.holds, now),
        *opened_or_cured(case.lifecycle, case.loans),
        *promises.judged(case.promises, case.loans, now),
    ]
    case = reduce(evolve, first, case)
    step = _next_step(case, decision_context, now)
    # A hold that begins later has to be assessed when it does.
    starts = [hold.starts for hold in case.holds.by_id.values() if hold.starts is not None and hold.starts > now]
    return [*first, _no_later_than(step, min(starts)) if starts else step]


def _no_later_than(assessed: Assessed, latest: datetime) -> Assessed:
    """The same with the next assessment no later than `latest`."""
    planned = assessed.assess_at
    return msgspec.structs.replace(assessed, assess_at=latest if planned is None else min(planned, latest))


def _next_step(case: Case, decision_context: DecisionContext, now: datetime) -> Assessed:
    if not case.lifecycle.open:
        return CaseAssessed(dpd=0, amount_overdue=None, reason="closed")
    held = case.holds.held_loans(now)
    owed = {loan_id: money for loan_id, money in case.loans.owed().items() if loan_id not in held}
    if not owed:
        return CaseAssessed(dpd=case.loans.dpd(), amount_overdue=None, reason="nothing-owed")
    turns = _in_turn(case.contacts, owed)
    amounts = [total(one) for one in turns]
    assessed: list[Assessed] = []
    for nth, one in enumerate(turns):
        others = tuple(amounts[:nth] + amounts[nth + 1 :])
        step = _step(assessment_context(case, decision_context, now, one, amounts[nth], others))
        if isinstance(step, ContactPermitted | VisitPermitted):
            return step
        assessed.append(step)
    # What stands in the way in one currency keeps nobody from the next.
    soonest = min((step.assess_at for step in assessed if step.assess_at is not None), default=None)
    return assessed[0] if soonest is None else _no_later_than(assessed[0], soonest)


def _in_turn(contacts: Contacts, owed: dict[str, Money]) -> Sequence[dict[str, Money]]:
    """What is owed, each currency by itself, as a message asks for one amount: first the one that nobody was contacted
    about for longest; of several such, the one in which most loans stand."""
    currencies = by_currency(owed)
    if len(currencies) == 1:
        return [owed]

    def turn(currency: str) -> tuple[datetime, int, str]:
        loans = currencies[currency].keys()
        return contacts.last_about(loans) or NEVER, -len(loans), currency

    return [currencies[currency] for currency in sorted(currencies, key=turn)]


def _step(context: AssessmentContext) -> Assessed:
    if context.override is None and context.choice.step is None:
        return context.nothing("no-step", None)
    if context.override is None and context.due > context.now:
        return context.nothing("not-due", context.due)
    return _decide_visit(context) if context.step.way == "visit" else _decide_contact(context)


def _decide_contact(context: AssessmentContext) -> Assessed:
    step, case, borrower = context.step, context.case, context.case.borrower
    assert step.way != "visit"
    assert step.purpose is not None
    request = context.request(step.way, step.purpose)
    decision = _decision(context, [request])
    if _refused(decision.verdicts):
        denied = ContactDenied(channel=step.way, decision=decision, assess_at=decision.earliest_next)
        return _said_before(context, decision) or denied
    assert borrower.personal is not None
    span = _open_now(context, request)
    return ContactPermitted(
        permit_id=_permit_id(case),
        channel=step.way,
        purpose=step.purpose,
        decision=decision,
        loan_ids=tuple(sorted(context.owed)),
        amount=context.amount,
        language=borrower.language,
        windows=_hull([span], context.zones[0]),
        valid_until=span.ends,
        personal=borrower.personal,
        region=borrower.region,
        assess_at=context.next_assessment,
        first=guards.first_contact(case),
        phone_token=borrower.phone_token,
        address_token=borrower.address_token,
        agency=case.overrides.agency,
    )


def _decide_visit(context: AssessmentContext) -> Assessed:
    case, now, packs, borrower = context.case, context.now, context.packs, context.case.borrower
    notice = context.request("sms", "visit-notice")
    today = now.astimezone(context.zones[0]).date()
    notice_hours = rules.notice_hours(packs, today)
    visit = _after_notice(context.request("visit", None), notice_hours)
    decision = _decision(context, [visit, notice])
    if _refused(decision.verdicts):
        denied = VisitDenied(decision=decision, assess_at=decision.earliest_next)
        return _said_before(context, decision) or denied
    assert borrower.personal is not None
    until = now + VISIT_VALID
    allowed = rules.open_spans(packs, visit, until)
    return VisitPermitted(
        permit_id=_permit_id(case),
        decision=decision,
        loan_ids=tuple(sorted(context.owed)),
        amount=context.amount,
        language=borrower.language,
        windows=_hull(allowed, context.zones[0]),
        valid_until=until,
        minimum_staff=rules.staff(packs, today),
        notice_hours=notice_hours,
        personal=borrower.personal,
        region=borrower.region,
        assess_at=until,
        allowed=tuple(allowed),
        notice_allowed=tuple(rules.open_spans(packs, notice, until)),
        duties=rules.duties(packs, today),
        phone_token=borrower.phone_token,
        address_token=borrower.address_token,
        agency=case.overrides.agency,
    )


def _after_notice(visit: ContactRequest, notice_hours: int) -> ContactRequest:
    """The visit, for whose caps its own notice counts as well: it lies as long before as the packs ask for."""
    at = visit.now - timedelta(hours=notice_hours)
    told = LedgerEntry("sms", at, "sent", visit.loans, "visit-notice")
    return replace(visit, person=[*visit.person, told], number=[*visit.number, told], address=[*visit.address, told])


def _refused(verdicts: Iterable[Verdict]) -> bool:
    return any(verdict.refuses() for verdict in verdicts)


def _said_before(context: AssessmentContext, decision: Decision) -> CaseAssessed | None:
    same = context.case.lifecycle.denial == denial(decision)
    return context.nothing("same-denial", decision.earliest_next) if same else None


def _decision(context: AssessmentContext, requests: Sequence[ContactRequest]) -> Decision:
    case, now, step, policy = context.case, context.now, context.step, context.decision_context.policy
    packs = summary_of(context.packs)
    said = [*guards.verdicts(case, context.decision_context, step, now)]
    said += [verdict for one in requests for verdict in _ruled(context, one, step)]
    local = now.astimezone(context.zones[0])
    lately = [one for one in case.contacts.ledger if one.at > now - LATELY and one.way != "visit" and one.counts()]
    today = [one for one in lately if _day(one, context) == local.date()]
    refusing = [verdict for verdict in said if verdict.refuses()]
    return Decision(
        decision_id=derived_id("decision", _case_id(case), str(case.lifecycle.decisions + 1)),
        step=step.name,
        packs=packs.refs,
        strategy=policy.strategy.ref(context.choice.path),
        override=context.override,
        inputs=Inputs(
            dpd=context.situation.dpd,
            bucket=bucket(context.situation.dpd),
            amount_overdue=context.amount,
            business_date=case.loans.business_date(),
            local_time=local,
            episode=case.lifecycle.episode,
            contacts_today=len(today),
            unanswered=context.situation.unanswered,
            willingness=context.choice.willingness,
            reasons=context.choice.reasons,
            stage=STAGES[step.stage],
            products=context.situation.products,
            segment=context.situation.segment,
            countries=packs.countries,
            facts_age=guards.facts_age(case, policy.terms.home, now),
            holds=tuple(sorted({hold.kind for hold in case.holds.by_id.values() if hold.begun(now)})),
            consents=tuple(sorted({consent.kind for consent in case.preferences.consents.values()})),
            other_amounts=context.others,
        ),
        verdicts=tuple(said),
        earliest_next=_earliest(context, refusing, requests) if refusing else None,
    )


def _ruled(context: AssessmentContext, request: ContactRequest, step: Step) -> Iterable[Verdict]:
    """The packs' words. Those on the notice of a visit say so."""
    found = rules.verdicts(context.packs, request)
    if request.way == step.way:
        return found
    return [msgspec.structs.replace(one, rule=f"notice: {one.rule}") for one in found]


def _earliest(
    context: AssessmentContext, refusing: Sequence[Verdict], requests: Sequence[ContactRequest]
) -> datetime | None:
    """The first instant at which neither guards nor packs refuse, if nothing else happens; None: only news helps."""
    waits = [verdict.earliest_next for verdict in refusing]
    if None in waits:
        return None
    # None of them allows it any sooner, whatever the others say.
    at, agreed = max((wait for wait in waits if wait is not None), default=context.now), 0
    for one in islice(cycle(requests), ROUNDS * len(requests)):
        found = rules.earliest(context.packs, one, at)
        if found is None:
            return None
        agreed = agreed + 1 if found == at else 1
        at = found
        if agreed == len(requests):
            break
    return at


def _open_now(context: AssessmentContext, request: ContactRequest) -> Span:
    """The stretch of the borrower's day in which it is allowed now."""
    zone = context.zones[0]
    today = context.now.astimezone(zone).date()
    tomorrow = midnight(zone, today + timedelta(days=1))
    for span in rules.open_spans(context.packs, request, tomorrow, midnight(zone, today)):
        if span.starts <= context.now < span.ends:
            return span
    raise AssertionError("allowed at an instant that lies in no open hours")


def _hull(spans: Sequence[Span], zone: ZoneInfo) -> Windows:
    """The daily hours that all `spans` lie in; a whole day where one of them runs past midnight."""
    starts = [span.starts.astimezone(zone) for span in spans]
    ends = [span.ends.astimezone(zone) for span in spans]
    if any((end - MOMENT).date() > start.date() for start, end in zip(starts, ends, strict=True)):
        return Windows(opens=time(), closes=time(), time_zone=str(zone))
    # A span that ends at midnight ends last of all.
    closes = max((end.time() for end in ends), key=lambda clock: (clock == time(), clock))
    return Windows(opens=min(start.time() for start in starts), closes=closes, time_zone=str(zone))


def _day(permit: Permit, context: AssessmentContext) -> object:
    return (permit.went_at or permit.at).astimezone(context.zones[0]).date()


def _case_id(case: Case) -> str:
    # The borrower's key is named after the case.
    assert case.borrower.personal is not None
    return case.borrower.personal.key_id


def _permit_id(case: Case) -> str:
    return derived_id("permit", _case_id(case), str(case.lifecycle.decisions + 1))
