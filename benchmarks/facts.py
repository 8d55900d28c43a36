"""Overdue facts of borrowers nobody has heard of, without end."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count

from doorstep.bus.interface import Outgoing, Partition, Record
from doorstep.events import intake
from doorstep.events.topics import INTAKE
from doorstep.events.values import Borrower

TENANT = "bench"


def overdue_facts(run: str) -> Iterator[tuple[str, Outgoing]]:
    """(borrower id, message) of ever new borrowers; `run` tells two runs apart."""
    for nth in count():
        borrower_id = f"{run}-{nth:07d}"
        fact = _overdue(borrower_id, nth)
        yield borrower_id, Outgoing(INTAKE, intake.loan_key(TENANT, fact.data.loan_id), intake.encode_fact(fact))


def overdue_records() -> Iterator[Record]:
    """The same, as the bus hands them over."""
    for nth, (_, message) in enumerate(overdue_facts("h")):
        yield Record(Partition(INTAKE, 0), nth, message.key, message.value)


def _overdue(borrower_id: str, nth: int) -> intake.LoanOverdueFact:
    now = datetime.now(UTC)
    return intake.LoanOverdueFact(
        id=f"fact-{borrower_id}",
        source="/bench/core-banking",
        time=now,
        tenant=TENANT,
        data=intake.LoanOverdue(
            loan_id=f"LN-{borrower_id}",
            borrower=Borrower(
                borrower_id=borrower_id,
                name="欧阳修远",
                phone=f"138{nth % 100_000_000:08d}",
                address=f"广东省深圳市南山区科技园南路{nth % 900 + 1}号科苑花园3栋2单元1502室",
                latitude=22.5431,
                longitude=113.9535,
            ),
            product="personal-loan",
            currency="CNY",
            principal_outstanding="48250.00",
            amount_overdue="3620.50",
            overdue_since=now.date() - timedelta(days=nth % 90),
            business_date=now.date(),
            region="CN-GD",
            time_zone="Asia/Shanghai",
        ),
    )
