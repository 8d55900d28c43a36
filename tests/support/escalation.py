"""Words for tests: what a bank says, and a case to which time passes."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from doorstep.events.escalation.loans import (
    LoanCureRecorded,
    LoanOverdueRecorded,
    PaymentRecorded,
    PaymentReversalRecorded,
)
from doorstep.events.values import ContactPoint, Money, Sealed
from doorstep.kernel.decider import Decider, Wake
from escalation.domain.assessment.decision_context import FREE, DecisionContext, InContext, PointCounter, TenantCounter
from escalation.domain.case.case import Case, Command, Event, evolve
from escalation.domain.case.contacts import RecordContactOutcome
from escalation.domain.case.loans import Fact, RecordFact
from escalation.domain.decider import decide, wake_at
from escalation.domain.policy import Policy, TenantTerms, builtin

from tests.support.given import Given, Happened, given

SHANGHAI = ZoneInfo("Asia/Shanghai")
BEFORE = date(2026, 2, 28)
ORIGINAL = Sealed("case-1", b"commitment", b"original")


def own_reach(case: Case) -> PointCounter:
    """The case's own contacts, as the tally of its number holds them when nobody shares it."""
    return PointCounter({one.permit_id: one.entry() for one in case.contacts.ledger if one.counts()})


def advised_by(policy: Policy, controls: TenantCounter = FREE) -> Decider[Case, Command]:
    """The decider of cases under `policy`, whose numbers and addresses nobody shares."""

    def informed(case: Case, command: Command, now: datetime) -> Sequence[Event]:
        place = own_reach(case)
        return decide(case, InContext(command, DecisionContext(policy, controls, place, place)), now)

    return Decider("case", Case(), Case, informed, evolve, wake_at)


AS_IT_COMES = builtin().of("acme")
"""China's rules and the house's, the default strategy."""
PATIENT = replace(AS_IT_COMES, terms=TenantTerms(stale_after_days=366))
"""The same for a bank that says nothing for a year."""
CASE = advised_by(PATIENT)
"""The decider of cases in tests that are not about the age of facts."""


def day(number: int) -> date:
    """Day 1 is 2026-03-01."""
    return BEFORE + timedelta(days=number)


def at(number: int, clock: str = "10:00", zone: ZoneInfo = SHANGHAI) -> datetime:
    """The instant of a wall clock on a day, in UTC."""
    return datetime.combine(day(number), time.fromisoformat(clock), zone).astimezone(UTC)


def overdue(
    on: int = 1,
    *,
    fact_id: str = "",
    loan: str = "L1",
    dpd: int = 10,
    amount: str = "6000",
    currency: str = "CNY",
    said_at: datetime | None = None,
    source: str = "/bank/acme",
    region: str | None = None,
    time_zone: str | None = "Asia/Shanghai",
    product: str = "card",
    segment: str | None = None,
    without_address: bool = False,
    contact_points: tuple[ContactPoint, ...] | None = None,
) -> LoanOverdueRecorded:
    """The bank's word at the end of day `on`."""
    return LoanOverdueRecorded(
        fact_id=fact_id or f"{loan} overdue {on}",
        source=source,
        loan_id=loan,
        product=product,
        segment=segment,
        principal_outstanding=Money(Decimal(50_000), currency),
        amount_overdue=Money(Decimal(amount), currency),
        overdue_since=day(on) - timedelta(days=dpd - 1),
        business_date=day(on),
        dpd=dpd,
        language="zh-CN",
        phone_token="phone",
        address_token=None if without_address else "address",
        contact_points=contact_points,
        personal=Sealed("case-1", b"commitment", (fact_id or f"{loan} {on}").encode()),
        original=ORIGINAL,
        said_at=said_at,
        region=region,
        time_zone=time_zone,
    )


def cured(on: int, *, fact_id: str = "", loan: str = "L1", said_at: datetime | None = None) -> LoanCureRecorded:
    """Not overdue at the end of day `on`."""
    return LoanCureRecorded(
        fact_id=fact_id or f"{loan} cured {on}",
        source="/bank/acme",
        loan_id=loan,
        business_date=day(on),
        original=ORIGINAL,
        said_at=said_at,
    )


def paid(
    on: int,
    *,
    fact_id: str = "",
    loan: str = "L1",
    amount: str = "100",
    currency: str = "CNY",
    said_at: datetime | None = None,
) -> PaymentRecorded:
    """Some money on day `on`."""
    return PaymentRecorded(
        fact_id=fact_id or f"{loan} paid {on}",
        source="/bank/acme",
        loan_id=loan,
        amount=Money(Decimal(amount), currency),
        paid_on=day(on),
        original=ORIGINAL,
        said_at=said_at,
    )


def reversal(on: int, payment: str, *, loan: str = "L1") -> PaymentReversalRecorded:
    """The payment that fact `payment` told of did not stand."""
    return PaymentReversalRecorded(
        fact_id=f"{loan} reversed {payment}",
        source="/bank/acme",
        loan_id=loan,
        payment_id=payment,
        reversed_on=day(on),
        original=ORIGINAL,
    )


def told(*facts: Fact, now: datetime, decider: Decider[Case, Command] = CASE) -> Happened:
    """A case of which the bank has told, not assessed yet."""
    case: Given = given(decider)
    for fact in facts:
        case = case.when(RecordFact(fact), now)
    assert isinstance(case, Happened)
    return case


def woken(case: Given) -> Happened:
    """The case after its timer came, on time."""
    due = wake_at(case.state)
    assert due is not None, "it asked for no wake"
    return case.when(Wake(due), due)


def until(case: Given, end: datetime) -> Given:
    """The case after every timer up to `end`; an open contact counts as sent before the next one."""
    while (due := wake_at(case.state)) is not None and due <= end:
        case = case.when(Wake(due), due)
        for permit in case.state.contacts.ledger:
            if permit.way != "visit" and permit.open():
                case = case.when(RecordContactOutcome(permit.permit_id, "sent", due), due)
    return case
