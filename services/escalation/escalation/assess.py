"""The assessment: what a case's strategy wants at an instant, and whether the rules allow it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from functools import lru_cache, reduce
from itertools import cycle, islice
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec
from doorstep.envelope import derived_id
from doorstep.events import escalation as e
from doorstep.events.common import Decision, Inputs, Money, Override, PackRef, Span, Verdict, Windows

from escalation import guards, rules
from escalation.case import STAGES, Case, Event, Permit, cancellations, denial, evolve, total
from escalation.counsel import Advice
from escalation.hours import midnight
from escalation.pack import Pack
from escalation.policy import country_of
from escalation.strategy import Choice, Situation, Step, bucket
from escalation.terms import FollowUpNotice, PriorNotice

VISIT_VALID = timedelta(days=14)
VISIT_AGAIN = timedelta(days=7)
"""After a visit that was not made, the next one waits: whatever was in the way may still be, and the borrower
may have had the notice."""
VISIT_EVERY = timedelta(days=31)
"""No pack allows two visits within it, so the strategy looks for milder means meanwhile."""
GIVEN = ("open", "sent", "delivered", "answered")
"""Outcomes of a notice that is not wanted a second time."""
ROUNDS = 8
LATELY = timedelta(days=2)
"""Whatever went out on the borrower's present day was permitted within it."""
OVERRIDDEN = timedelta(days=1)
"""How long the strategy waits after a step that a person chose."""


def assess(case: Case, advice: Advice, now: datetime) -> Sequence[Event]:
    """Open or cure the case, end what has run out, then decide the next step. Always at least one event:
    a look that led to nothing is on record too."""
    first = [*_begun_holds(case, now), *_ended_holds(case, now), *_standing(case), *_promises(case, now)]
    case = reduce(evolve, first, case)
    step = _next_step(case, advice, now)
    # A hold that begins later has to be looked at when it does.
    starts = [hold.starts for hold in case.holds.values() if hold.starts is not None and hold.starts > now]
    return [*first, _no_later_than(step, min(starts)) if starts else step]


def _no_later_than(event: Event, latest: datetime) -> Event:
    """The assessment `event` with the next one no later than `latest`."""
    planned: datetime | None = getattr(event, "assess_at", None)
    return msgspec.structs.replace(event, assess_at=latest if planned is None else min(planned, latest))


def _begun_holds(case: Case, now: datetime) -> Iterator[Event]:
    begun = [hold for hold in case.holds.values() if hold.starts is not None and hold.begun(now)]
    if begun:
        yield from cancellations([one for one in case.ledger if any(hold.stops(one) for hold in begun)], "hold")


def _ended_holds(case: Case, now: datetime) -> Iterator[Event]:
    for hold_id, hold in sorted(case.holds.items()):
        if hold.until is not None and hold.until <= now:
            yield e.HoldLifted(hold_id=hold_id, reason="its time is over")


def _standing(case: Case) -> Iterator[Event]:
    overdue = bool(case.overdue())
    if overdue and not case.open:
        yield e.CaseOpened(episode=case.episode + 1, business_date=case.business_date(), after_reversal=case.reversed)
    if case.open and not overdue:
        yield e.CaseCured(episode=case.episode, business_date=case.business_date())


def _promises(case: Case, now: datetime) -> Iterator[Event]:
    for promise_id, promise in sorted(case.promises.items()):
        if not case.overdue():
            yield e.PromiseKept(promise_id=promise_id)
        elif promise.check_at <= now and case.tells(promise):
            paid = case.paid_since(promise)
            if promise.amount is not None and paid >= promise.amount:
                yield e.PromiseKept(promise_id=promise_id)
            elif paid and promise.owed:
                yield e.PromisePartlyKept(promise_id=promise_id, paid=Money(paid, promise.owed.currency))
            else:
                yield e.PromiseBroken(promise_id=promise_id)


def _next_step(case: Case, advice: Advice, now: datetime) -> Event:
    if not case.open:
        return e.CaseAssessed(dpd=0, amount_overdue=None, reason="closed")
    owed = case.collectable(now)
    amount = total(owed)
    if amount is None:
        return e.CaseAssessed(dpd=case.dpd(), amount_overdue=None, reason="nothing-owed")
    look = _look(case, advice, now, owed, amount)
    if look.override is None and look.choice.step is None:
        return look.nothing("no-step", None)
    if look.override is None and look.due > now:
        return look.nothing("not-due", look.due)
    return _decide_visit(look) if look.step.way == "visit" else _decide_contact(look)


def _look(case: Case, advice: Advice, now: datetime, owed: dict[str, Money], amount: Money) -> "_Look":
    policy = advice.policy
    packs = policy.packs_at(country_of(case.region))
    zones = rules.zones_of(case.time_zone, case.region, policy.terms.home)
    situation = _situation(case, now, owed, amount, packs, zones)
    choice = policy.strategy.choose(situation)
    return _Look(case, advice, now, owed, amount, packs, zones, situation, choice, _override(case))


def _override(case: Case) -> Override | None:
    for name, wanted in sorted(case.overrides.items()):
        if wanted.approved_by is not None:
            return Override(override_id=name, by=wanted.by, approved_by=wanted.approved_by, reason=wanted.reason)
    return None


class _Look(msgspec.Struct, frozen=True):
    """A case at an instant, with all that deciding on its next step wants to know: whose rules are asked, where the
    borrower may be, what the strategy is asked and wants, and what two persons want instead."""

    case: Case
    advice: Advice
    now: datetime
    owed: dict[str, Money]
    amount: Money
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
            return self.choice.step
        wanted = self.case.overrides[self.override.override_id]
        purpose = None if wanted.way == "visit" else wanted.purpose
        return Step(f"override-{wanted.way}", wanted.way, purpose, OVERRIDDEN, self.case.stage)

    @property
    def due(self) -> datetime:
        """When the strategy's step may be taken. After a visit, too, the borrower is left alone for a while; and all
        the time while one may be made."""
        every, case = self.step.every, self.case
        if self.step.way == "visit":
            return self.now
        last = [permit.at for permit in case.ledger if permit.way != "visit" and permit.counts()]
        last += [case.last_visit] if case.last_visit else []
        visiting = [permit.valid_until for permit in case.ledger if permit.way == "visit" and permit.open()]
        return max([max(last) + every, *visiting] if last else visiting, default=self.now)

    @property
    def next_look(self) -> datetime:
        """When the step after this one may be due, if this one goes out and nobody answers."""
        situation, step = self.situation, self.step
        after = self.advice.policy.strategy.step(
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
        asked = FollowUpNotice in _known(self.packs).kinds
        return asked and bool(self.owed.keys() - _noticed(self.case, "validation-notice"))

    def asked(self, way: e.Way, purpose: str | None) -> rules.Asked:
        """What the packs are asked about."""
        case = self.case
        return rules.Asked(
            way=way,
            purpose=purpose,
            now=self.now,
            zones=self.zones,
            loans=tuple(sorted(self.owed)),
            dpd=self.situation.dpd,
            person=[_line(permit) for permit in case.ledger if permit.counts()],
            number=tuple(self.advice.number.reached.values()),
            address=tuple(self.advice.address.reached.values()),
            holds=[rules.HeldBy(one.kind, one.starts, one.until, one.loans, one.ways) for one in case.holds.values()],
            consents=[rules.Consent(one.kind, one.ways, one.until) for one in case.consents.values()],
            blocks=[rules.Block(one.ways, one.weekdays, one.opens, one.closes) for one in case.blocks.values()],
            episode_at=case.episode_at,
        )

    def nothing(self, reason: Literal["no-step", "not-due", "same-denial"], at: datetime | None) -> Event:
        """Nothing is to be done, until `at`."""
        return e.CaseAssessed(dpd=self.situation.dpd, amount_overdue=self.amount, reason=reason, assess_at=at)


@dataclass(frozen=True, slots=True)
class _Packs:
    """What a decision says of its packs: which they are, whose law they tell, and what kinds of rules they have."""

    refs: tuple[PackRef, ...]
    countries: tuple[str, ...]
    kinds: frozenset[type]


@lru_cache(maxsize=256)
def _known(packs: tuple[Pack, ...]) -> _Packs:
    return _Packs(
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
    contacts = [one for one in case.ledger if one.way != "visit" and one.episode == case.episode and one.went_out()]
    kinds = _known(packs).kinds
    due = [promise.due for promise in case.promises.values()]
    loans = [case.loans[name] for name in owed]
    return Situation(
        dpd=case.dpd(),
        amount=amount,
        stage_reached=case.stage,
        unanswered=case.unanswered(),
        contacts=len(contacts),
        answers=case.answers,
        kept=case.kept,
        partly_kept=case.partly_kept,
        broken=case.broken,
        attitude=case.attitude,
        promise_broken=case.promise_broken,
        promise_due_in=(min(due) - now.astimezone(zones[0]).date()).days if due else None,
        notice_wanted=PriorNotice in kinds and bool(owed.keys() - _noticed(case, "collection-notice")),
        validation_wanted=FollowUpNotice in kinds
        and bool(owed.keys() & {loan for one in contacts for loan in one.loans} - _noticed(case, "validation-notice")),
        visit_possible=_visit_possible(case, now),
        products=tuple(sorted({loan.product for loan in loans})),
        segment=min((loan.segment for loan in loans if loan.segment), default=None),
        episode=case.episode,
        has_address=case.address_token is not None,
    )


def _noticed(case: Case, purpose: e.Purpose) -> set[str]:
    """The loans of which this notice was given in this episode, or is being given."""
    lines = [one for one in case.ledger if one.purpose == purpose and one.episode == case.episode]
    return {loan for one in lines if one.outcome in GIVEN for loan in one.loans}


def _visit_possible(case: Case, now: datetime) -> bool:
    if any(permit.way == "visit" and permit.open() for permit in case.ledger):
        return False
    rested = case.last_visit is None or case.last_visit + VISIT_EVERY <= now
    return rested and (case.visit_unmade is None or case.visit_unmade + VISIT_AGAIN <= now)


def _decide_contact(look: _Look) -> Event:
    step, case = look.step, look.case
    assert step.way != "visit"
    assert step.purpose is not None
    asked = look.asked(step.way, step.purpose)
    decision = _decision(look, [asked])
    if _refused(decision.verdicts):
        denied = e.ContactDenied(channel=step.way, decision=decision, assess_at=decision.earliest_next)
        return _said_before(look, decision) or denied
    assert case.personal is not None
    span = _open_now(look, asked)
    return e.ContactPermitted(
        permit_id=_permit_id(case),
        channel=step.way,
        purpose=step.purpose,
        decision=decision,
        loan_ids=tuple(sorted(look.owed)),
        amount=look.amount,
        language=case.language,
        windows=_hull([span], look.zones[0]),
        valid_until=span.ends,
        personal=case.personal,
        region=case.region,
        assess_at=look.next_look,
        first=guards.first_contact(case),
        phone_token=case.phone_token,
        address_token=case.address_token,
        agency=case.agency,
    )


def _decide_visit(look: _Look) -> Event:
    case, now, packs = look.case, look.now, look.packs
    notice = look.asked("sms", "visit-notice")
    visit = _after_notice(look.asked("visit", None))
    decision = _decision(look, [visit, notice])
    if _refused(decision.verdicts):
        denied = e.VisitDenied(decision=decision, assess_at=decision.earliest_next)
        return _said_before(look, decision) or denied
    assert case.personal is not None
    until, today = now + VISIT_VALID, now.astimezone(look.zones[0]).date()
    allowed = rules.open_spans(packs, visit, until)
    return e.VisitPermitted(
        permit_id=_permit_id(case),
        decision=decision,
        loan_ids=tuple(sorted(look.owed)),
        amount=look.amount,
        language=case.language,
        windows=_hull(allowed, look.zones[0]),
        valid_until=until,
        minimum_staff=rules.staff(packs, today),
        notice_hours=rules.notice_hours(packs, today),
        personal=case.personal,
        region=case.region,
        assess_at=until,
        allowed=tuple(allowed),
        notice_allowed=tuple(rules.open_spans(packs, notice, until)),
        duties=rules.duties(packs, today),
        phone_token=case.phone_token,
        address_token=case.address_token,
        agency=case.agency,
    )


def _after_notice(visit: rules.Asked) -> rules.Asked:
    """The visit, for whose caps its own notice counts as well."""
    told = rules.Line("sms", visit.now, "sent", visit.loans, "visit-notice")
    return replace(visit, person=[*visit.person, told], number=[*visit.number, told], address=[*visit.address, told])


def _refused(verdicts: Iterable[Verdict]) -> bool:
    return any(verdict.refuses() for verdict in verdicts)


def _said_before(look: _Look, decision: Decision) -> Event | None:
    return look.nothing("same-denial", decision.earliest_next) if look.case.denial == denial(decision) else None


def _decision(look: _Look, asked: Sequence[rules.Asked]) -> Decision:
    case, now, step, policy = look.case, look.now, look.step, look.advice.policy
    packs = _known(look.packs)
    said = [*guards.verdicts(case, look.advice, step, now)]
    said += [verdict for one in asked for verdict in _ruled(look, one, step)]
    local = now.astimezone(look.zones[0])
    lately = [one for one in case.ledger if one.at > now - LATELY and one.way != "visit" and one.counts()]
    today = [one for one in lately if _day(one, look) == local.date()]
    refusing = [verdict for verdict in said if verdict.refuses()]
    return Decision(
        decision_id=derived_id("decision", _case_id(case), str(case.decisions + 1)),
        step=step.name,
        packs=packs.refs,
        strategy=policy.strategy.ref(look.choice.path),
        override=look.override,
        inputs=Inputs(
            dpd=look.situation.dpd,
            bucket=bucket(look.situation.dpd),
            amount_overdue=look.amount,
            business_date=case.business_date(),
            local_time=local,
            episode=case.episode,
            contacts_today=len(today),
            unanswered=look.situation.unanswered,
            willingness=look.choice.willingness,
            reasons=look.choice.reasons,
            stage=STAGES[step.stage],
            products=look.situation.products,
            segment=look.situation.segment,
            countries=packs.countries,
            facts_age=guards.facts_age(case, policy.terms.home, now),
            holds=tuple(sorted({hold.kind for hold in case.holds.values() if hold.begun(now)})),
            consents=tuple(sorted({consent.kind for consent in case.consents.values()})),
        ),
        verdicts=tuple(said),
        earliest_next=_earliest(look, refusing, asked) if refusing else None,
    )


def _ruled(look: _Look, asked: rules.Asked, step: Step) -> Iterable[Verdict]:
    """The packs' words. Those on the notice of a visit say so."""
    found = rules.verdicts(look.packs, asked)
    if asked.way == step.way:
        return found
    return [msgspec.structs.replace(one, rule=f"notice: {one.rule}") for one in found]


def _earliest(look: _Look, refusing: Sequence[Verdict], asked: Sequence[rules.Asked]) -> datetime | None:
    """The first instant at which neither guards nor packs refuse, if nothing else happens; None: only news helps."""
    waits = [verdict.earliest_next for verdict in refusing]
    if None in waits:
        return None
    # None of them allows it any sooner, whatever the others say.
    at, agreed = max((wait for wait in waits if wait is not None), default=look.now), 0
    for one in islice(cycle(asked), ROUNDS * len(asked)):
        found = rules.earliest(look.packs, one, at)
        if found is None:
            return None
        agreed = agreed + 1 if found == at else 1
        at = found
        if agreed == len(asked):
            break
    return at


def _open_now(look: _Look, asked: rules.Asked) -> Span:
    """The stretch of the borrower's day in which it is allowed now."""
    zone = look.zones[0]
    today = look.now.astimezone(zone).date()
    tomorrow = midnight(zone, today + timedelta(days=1))
    for span in rules.open_spans(look.packs, asked, tomorrow, midnight(zone, today)):
        if span.starts <= look.now < span.ends:
            return span
    raise AssertionError("allowed at an instant that lies in no open hours")


def _hull(spans: Sequence[Span], zone: ZoneInfo) -> Windows:
    """The daily hours that all `spans` lie in."""
    opens = min((span.starts.astimezone(zone).time() for span in spans), default=time())
    closes = max((span.ends.astimezone(zone).time() for span in spans), default=opens)
    return Windows(opens=opens, closes=closes, time_zone=str(zone))


def _line(permit: Permit) -> rules.Line:
    at = permit.went_at or permit.at
    return rules.Line(permit.way, at, permit.outcome, permit.loans, permit.purpose, permit.answered_at)


def _day(permit: Permit, look: _Look) -> object:
    return (permit.went_at or permit.at).astimezone(look.zones[0]).date()


def _case_id(case: Case) -> str:
    # The borrower's key is named after the case.
    assert case.personal is not None
    return case.personal.key_id


def _permit_id(case: Case) -> str:
    return derived_id("permit", _case_id(case), str(case.decisions + 1))
