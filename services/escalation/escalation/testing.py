"""Words for tests: what a bank says, and a case to which time passes."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from doorstep.decider import Wake
from doorstep.events.common import Money, Sealed
from doorstep.events.escalation import LoanCureRecorded, LoanOverdueRecorded, PaymentRecorded
from doorstep.testing import Given, Happened, given

from escalation.domain import DECIDER, RecordContactOutcome, RecordFact, wake_at

SHANGHAI = ZoneInfo("Asia/Shanghai")
BEFORE = date(2026, 2, 28)
ORIGINAL = Sealed("case-1", b"commitment", b"original")


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
) -> LoanOverdueRecorded:
    """The bank's word at the end of day `on`."""
    return LoanOverdueRecorded(
        fact_id=fact_id or f"{loan} overdue {on}",
        source=source,
        loan_id=loan,
        product="card",
        principal_outstanding=Money(Decimal(50_000), currency),
        amount_overdue=Money(Decimal(amount), currency),
        overdue_since=day(on) - timedelta(days=dpd - 1),
        business_date=day(on),
        dpd=dpd,
        language="zh-CN",
        phone_token="token",  # noqa: S106
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


def paid(on: int, *, fact_id: str = "", loan: str = "L1") -> PaymentRecorded:
    """Some money on day `on`."""
    return PaymentRecorded(
        fact_id=fact_id or f"{loan} paid {on}",
        source="/bank/acme",
        loan_id=loan,
        amount=Money(Decimal(100), "CNY"),
        paid_on=day(on),
        original=ORIGINAL,
    )


def told(*facts: LoanOverdueRecorded | LoanCureRecorded | PaymentRecorded, now: datetime) -> Happened:
    """A case of which the bank has told, not assessed yet."""
    case: Given = given(DECIDER)
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
        for permit in case.state.ledger:
            if permit.kind == "contact" and permit.open():
                case = case.when(RecordContactOutcome(permit.permit_id, "sent", due), due)
    return case
