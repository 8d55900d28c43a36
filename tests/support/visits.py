"""One visit as an example, to read, to try things on, and for tests. It is Monday, 23 November 2026."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from doorstep.events.values import Borrower, Money, Sealed, Windows
from doorstep.events.visits import Collector, VisitTerms
from visit_scheduler.domain.appointment import Appointment
from visit_scheduler.domain.commands import Plan
from visit_scheduler.domain.planning import FieldAgent

NOW = datetime(2026, 11, 23, 2, 5, tzinfo=UTC)
"""Five past ten in the morning in Shanghai."""
STARTS = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
"""Two in the afternoon there, the day after."""
VISIT_ID = "permit-1"
BORROWER = Borrower(borrower_id="B-7", name="张三", phone="13800000001", address="上海市示例路1号")
LIN = Collector(agent_id="A-017", agency="Harbour Collections", certified_until=date(2027, 6, 30))
MEI = Collector(agent_id="A-032", agency="Harbour Collections", certified_until=date(2027, 3, 31))


def terms(**changes: Any) -> VisitTerms:
    """A permit's terms: two collectors, a day's notice, 08:00-20:00 in Shanghai, for ten days."""
    usual = VisitTerms(
        amount=Money(Decimal("12500.00"), "CNY"),
        language="zh-CN",
        windows=Windows(opens=time(8), closes=time(20), time_zone="Asia/Shanghai"),
        valid_until=NOW + timedelta(days=10),
        minimum_staff=2,
        notice_hours=24,
        personal=Sealed("case-1", b"commitment", b"box"),
        region="CN-SH",
    )
    return msgspec.structs.replace(usual, **changes)


def appointment(**changes: Any) -> Appointment:
    """Lin and Mei come on Tuesday at two."""
    ends = STARTS + timedelta(hours=1)
    usual = Appointment(visit_id=VISIT_ID, terms=terms(), collectors=(LIN, MEI), starts=STARTS, ends=ends)
    return msgspec.structs.replace(usual, **changes)


def plan_of(visit: Appointment) -> Plan:
    """The command that makes this appointment."""
    return Plan(visit.collectors, visit.starts, visit.ends)


def agent(one: Collector, **changes: Any) -> FieldAgent:
    """`one` as the planner sees them, fit for every language and place unless changed."""
    particulars: dict[str, Any] = {"languages": frozenset({"zh-CN", "en"}), **changes}
    return FieldAgent(one.agent_id, one.agency, one.certified_until, **particulars)
