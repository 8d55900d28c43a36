"""A bank, its borrowers, and what is told of them in the end: for tests that run the four services as processes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from doorstep.bus.interface import Outgoing
from doorstep.events import intake
from doorstep.events.envelope import Envelope, decode
from doorstep.events.kernel import ArtifactPublished
from doorstep.events.topics import INTAKE
from doorstep.events.values import Borrower
from doorstep.messaging.file_gateway import FileGateway
from doorstep.messaging.gateways import Message

from tests.support.cluster import Cluster
from tests.support.story import entries, open_data

HOME = ZoneInfo("Asia/Shanghai")
MONDAY = date(2026, 1, 5)
OPENED = "doorstep.personal-data.opened"


@dataclass(frozen=True)
class Account:
    """A borrower with one loan, `dpd` days past due on MONDAY, who reacts to each contact by `replies`."""

    number: int
    dpd: int
    amount: int
    replies: tuple[Mapping[str, Any], ...] = ()

    @property
    def loan_id(self) -> str:
        """The loan."""
        return f"CL-{self.number}"

    def fact(self, day: date, data: Any, kind: Any, at: datetime) -> Outgoing:
        """What the bank says of the loan."""
        fact = kind(id=f"{self.loan_id}-{day}-{kind.__name__}", source="/bank/acme", time=at, tenant="acme", data=data)
        return Outgoing(INTAKE, intake.loan_key("acme", self.loan_id), intake.encode_fact(fact))

    def overdue(self, day: date, at: datetime) -> Outgoing:
        """Overdue at the end of `day`."""
        data = intake.LoanOverdue(
            loan_id=self.loan_id,
            borrower=Borrower(borrower_id=f"C-{self.number}", name="张伟", phone=f"13800000{self.number:03}"),
            product="consumer",
            currency="CNY",
            principal_outstanding=f"{self.amount}.00",
            amount_overdue=f"{self.amount}.00",
            overdue_since=MONDAY - timedelta(days=self.dpd - 1),
            business_date=day,
            time_zone="Asia/Shanghai",
        )
        return self.fact(day, data, intake.LoanOverdueFact, at)

    def paid(self, day: date, at: datetime) -> Outgoing:
        """All of it paid."""
        amount = f"{Decimal(self.amount):.2f}"
        data = intake.PaymentReceived(
            loan_id=self.loan_id, borrower_id=f"C-{self.number}", amount=amount, currency="CNY", paid_on=day
        )
        return self.fact(day, data, intake.PaymentReceivedFact, at)

    def cured(self, day: date, at: datetime) -> Outgoing:
        """No longer overdue."""
        data = intake.LoanCured(loan_id=self.loan_id, borrower_id=f"C-{self.number}", business_date=day)
        return self.fact(day, data, intake.LoanCuredFact, at)


@dataclass(frozen=True)
class Told:
    """How a run ended: events by case, timelines as shown, messages by idempotency key."""

    events: Mapping[str, Sequence[Any]]
    timelines: Mapping[str, Sequence[Any]]
    messages: Mapping[str, Message]


async def told(cluster: Cluster) -> Told:
    """How a run ended that is quiet now."""
    events: dict[str, list[Any]] = {}
    for value in await entries(cluster.databases["audit"]):
        envelope = decode(value)
        events.setdefault(envelope.subject, []).append(_event(envelope))
    timelines = {}
    for case_id, said in events.items():
        if said[0]["type"] == ArtifactPublished.event_type:
            continue
        shown = await cluster.call("audit", "GET", f"/cases/{case_id}/timeline", "viewer")
        timelines[case_id] = [shown["summary"], *map(_line, shown["lines"])]
    messages = FileGateway(cluster.gateway_folder).delivered()
    return Told(
        {case_id: sorted(said, key=lambda one: one["id"]) for case_id, said in events.items()},
        timelines,
        {message.idempotency_key: message for message in messages},
    )


def moment(days: int, hour: int, minute: int) -> datetime:
    """That many days after MONDAY, on the clock of HOME."""
    return datetime(MONDAY.year, MONDAY.month, MONDAY.day, hour, minute, tzinfo=HOME) + timedelta(days=days)


def _event(envelope: Envelope) -> dict[str, Any]:
    """All of an event but ciphertext and what is random: the trace, and the request that an opening of
    personal data names as its cause."""
    whole = {**msgspec.structs.asdict(envelope), "traceparent": None, "data": open_data(envelope)}
    return whole | ({"causationid": None, "correlationid": ""} if envelope.type == OPENED else {})


def _line(line: dict[str, Any]) -> dict[str, Any]:
    """A timeline's line without what names a place in the topics, hashes ciphertext, or is random; a gap has no
    entry."""
    dropped = {"position", "offset", "sha256"} | ({"caused_by", "correlation"} if line["type"] == OPENED else set())
    entry = {name: value for name, value in (line["entry"] or {}).items() if name not in dropped}
    ledger = line.get("ledger") and _line(line["ledger"])
    return {**line, "entry": entry, "ledger": ledger, "repeats": line.get("repeats") is not None}
