"""The assessment: what a case's strategy wants at an instant, and whether the rules allow it."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import reduce
from zoneinfo import ZoneInfo

from doorstep.envelope import derived_id
from doorstep.events import escalation as e
from doorstep.events.common import Decision, Inputs, Money, Verdict
from doorstep.windows import closing

from escalation import rules, strategy
from escalation.case import Case, Event, Permit, denial, evolve

VISIT_VALID = timedelta(days=14)


def assess(case: Case, now: datetime) -> Sequence[Event]:
    """Open or cure the case, end what has run out, then decide the next step. Always at least one event:
    a look that led to nothing is on record too."""
    first = [*_ended_holds(case, now), *_standing(case), *_promises(case, now)]
    return [*first, _next_step(reduce(evolve, first, case), now)]


def _ended_holds(case: Case, now: datetime) -> Iterator[Event]:
    for hold_id, hold in sorted(case.holds.items()):
        if hold.until is not None and hold.until <= now:
            yield e.HoldLifted(hold_id=hold_id, reason="its time is over")


def _standing(case: Case) -> Iterator[Event]:
    overdue = bool(case.overdue())
    if overdue and not case.open:
        yield e.CaseOpened(episode=case.episode + 1, business_date=case.business_date())
    if case.open and not overdue:
        yield e.CaseCured(episode=case.episode, business_date=case.business_date())


def _promises(case: Case, now: datetime) -> Iterator[Event]:
    for promise_id, promise in sorted(case.promises.items()):
        if not case.overdue():
            yield e.PromiseKept(promise_id=promise_id)
        elif promise.check_at <= now and case.tells(promise):
            yield e.PromiseBroken(promise_id=promise_id)


def _next_step(case: Case, now: datetime) -> Event:
    if not case.open:
        return e.CaseAssessed(dpd=0, amount_overdue=None, reason="closed")
    amount = case.amount()
    if amount is None:
        return e.CaseAssessed(dpd=case.dpd(), amount_overdue=None, reason="nothing-owed")
    visit_due = _visit_due(case, amount, now)
    if visit_due is not None and visit_due <= now:
        return _decide_visit(case, amount, now)
    step = strategy.contact_step(case.dpd(), promise_broken=case.promise_broken)
    contact_due = _contact_due(case, step, now)
    if contact_due <= now:
        return _decide_contact(case, step, amount, now)
    due = min(contact_due, visit_due or contact_due)
    return e.CaseAssessed(dpd=case.dpd(), amount_overdue=amount, reason="not-due", assess_at=due)


def _visit_due(case: Case, amount: Money, now: datetime) -> datetime | None:
    if not strategy.visit_wanted(case.dpd(), amount, case.unanswered()) or _visiting(case):
        return None
    spaced = case.last_visit + rules.VISIT_EVERY if case.last_visit else now
    return max(spaced, case.visit_unmade + strategy.VISIT_AGAIN if case.visit_unmade else now)


def _contact_due(case: Case, step: strategy.Step, now: datetime) -> datetime:
    """After a visit, too, the borrower is left alone for a while; and all the time while one may be made."""
    last = [permit.at for permit in _contacts(case)] + ([case.last_visit] if case.last_visit else [])
    visiting = [permit.valid_until for permit in _visiting(case)]
    return max([*(at + step.every for at in last), *visiting], default=now)


def _decide_contact(case: Case, step: strategy.Step, amount: Money, now: datetime) -> Event:
    decision = _decision(case, step.name, amount, rules.contact_verdicts(_asked(case, step.channel, now)), now)
    if _refused(decision):
        denied = e.ContactDenied(channel=step.channel, decision=decision, assess_at=decision.earliest_next)
        return _said_before(case, decision, amount) or denied
    assert case.personal is not None
    windows = rules.windows(_zones(case), now)
    return e.ContactPermitted(
        permit_id=_permit_id(case),
        channel=step.channel,
        purpose=step.purpose,
        decision=decision,
        loan_ids=tuple(sorted(case.owed())),
        amount=amount,
        language=case.language,
        windows=windows,
        valid_until=closing(windows, now),
        personal=case.personal,
        region=case.region,
        assess_at=now + step.every,
    )


def _decide_visit(case: Case, amount: Money, now: datetime) -> Event:
    decision = _decision(case, strategy.VISIT, amount, rules.visit_verdicts(_asked(case, strategy.VISIT, now)), now)
    if _refused(decision):
        denied = e.VisitDenied(decision=decision, assess_at=decision.earliest_next)
        return _said_before(case, decision, amount) or denied
    assert case.personal is not None
    return e.VisitPermitted(
        permit_id=_permit_id(case),
        decision=decision,
        loan_ids=tuple(sorted(case.owed())),
        amount=amount,
        language=case.language,
        windows=rules.windows(_zones(case), now, now + VISIT_VALID),
        valid_until=now + VISIT_VALID,
        minimum_staff=rules.VISIT_MINIMUM_STAFF,
        notice_hours=rules.VISIT_NOTICE_HOURS,
        personal=case.personal,
        region=case.region,
        assess_at=now + VISIT_VALID,
    )


def _refused(decision: Decision) -> bool:
    return any(not verdict.allowed and verdict.status != "draft" for verdict in decision.verdicts)


def _said_before(case: Case, decision: Decision, amount: Money) -> Event | None:
    if case.denial != denial(decision):
        return None
    return e.CaseAssessed(dpd=case.dpd(), amount_overdue=amount, reason="same-denial", assess_at=decision.earliest_next)


def _decision(case: Case, step: str, amount: Money, verdicts: Sequence[Verdict], now: datetime) -> Decision:
    refusing = [verdict for verdict in verdicts if not verdict.allowed]
    zone = _zones(case)[0]
    today = [p for p in _contacts(case) if p.at.astimezone(zone).date() == now.astimezone(zone).date()]
    return Decision(
        decision_id=derived_id("decision", _case_id(case), str(case.decisions + 1)),
        step=step,
        pack=rules.PACK,
        pack_version=rules.PACK_VERSION,
        pack_hash=rules.pack_hash(),
        inputs=Inputs(
            dpd=case.dpd(),
            bucket=strategy.bucket(case.dpd()),
            amount_overdue=amount,
            business_date=case.business_date(),
            local_time=now.astimezone(zone),
            episode=case.episode,
            contacts_today=len(today),
            unanswered=case.unanswered(),
            willingness=case.willingness(),
        ),
        verdicts=tuple(verdicts),
        earliest_next=_last([verdict.earliest_next for verdict in refusing]),
    )


def _asked(case: Case, channel: str, now: datetime) -> rules.Asked:
    return rules.Asked(
        channel=channel,
        now=now,
        zones=_zones(case),
        ledger=[rules.Past(p.channel or p.kind, p.at, p.outcome == "answered", p.open()) for p in case.ledger],
        last_visit=case.last_visit,
        holds=sorted({hold.kind for hold in case.holds.values()}),
        hold_until=_last([hold.until for hold in case.holds.values()]),
        parked=sorted(f"{key} @ {by}" for by, key in case.suspended),
        payment_pending=case.payment_pending(),
        promise_until=max((promise.check_at for promise in case.promises.values()), default=None),
    )


def _last(instants: Sequence[datetime | None]) -> datetime | None:
    """The last of `instants`; None when one of them is not known, and waits for news."""
    known = [at for at in instants if at is not None]
    return max(known, default=None) if len(known) == len(instants) else None


def _contacts(case: Case) -> Sequence[Permit]:
    return [permit for permit in case.ledger if permit.kind == "contact"]


def _visiting(case: Case) -> Sequence[Permit]:
    return [permit for permit in case.ledger if permit.kind == "visit" and permit.open()]


def _zones(case: Case) -> Sequence[ZoneInfo]:
    return rules.zones_of(case.time_zone, case.region)


def _case_id(case: Case) -> str:
    # The borrower's key is named after the case.
    assert case.personal is not None
    return case.personal.key_id


def _permit_id(case: Case) -> str:
    return derived_id("permit", _case_id(case), str(case.decisions + 1))
