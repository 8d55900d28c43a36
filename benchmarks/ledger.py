"""The service that is measured: it books one line per message heard, an event of 1 KB in all."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import assert_never

import msgspec
from doorstep.bus.interface import Partition, Record
from doorstep.events.envelope import Actor, Envelope, encode, event_id
from doorstep.events.money import Money
from doorstep.events.registry import Event, event
from doorstep.infra.settings import Settings
from doorstep.kernel.decider import Decider, Routed, StreamId
from doorstep.kernel.service import Service

HEARD, SAID = "bench.payments", "bench.ledger"
ACCOUNTS = 2_000
"""Messages go round so many streams; a batch meets each of them once at most."""
REMITTANCE = (
    "Instalment 14 of 36 of personal loan 6228-4801-7745-90, collected by direct debit under mandate SHA-2024-118733; "
    "value date as booked, original order 20260105-CN-GD-5571, returned once for insufficient cover and presented "
    "again after three bank working days as agreed in section 8.2 of the general terms; no late charge applies."
)


@event("bench.payment-made", topic=HEARD)
class PaymentMade(Event, frozen=True):
    """What the messages carry."""

    account: str
    amount: Money
    value_date: date
    remittance: str


@event("bench.line-booked", topic=SAID)
class LineBooked(Event, frozen=True):
    """What is written for each of them."""

    line: int
    account: str
    amount: Money
    value_date: date
    balance: Money
    remittance: str


@dataclass(frozen=True)
class Book:
    """Book a payment."""

    payment: PaymentMade


class Ledger(msgspec.Struct, frozen=True):
    """An account's lines so far."""

    lines: int = 0
    balance: Decimal = Decimal(0)


def decide(ledger: Ledger, command: Book, _: datetime) -> Sequence[LineBooked]:
    """One line per payment."""
    paid = command.payment
    balance = Money(ledger.balance + paid.amount.amount, paid.amount.currency)
    return [
        LineBooked(
            line=ledger.lines + 1,
            account=paid.account,
            amount=paid.amount,
            value_date=paid.value_date,
            balance=balance,
            remittance=paid.remittance,
        )
    ]


def evolve(_: Ledger, booked: LineBooked) -> Ledger:
    """The new balance."""
    match booked:
        case LineBooked(line=line, balance=balance):
            return Ledger(line, balance.amount)
        case _:
            assert_never(booked)


def react(envelope: Envelope, heard: Event) -> Iterable[Routed]:
    """A payment is booked on its account."""
    if isinstance(heard, PaymentMade):
        yield Routed(StreamId("ledger", heard.account, envelope.partitionkey, envelope.tenant), Book(heard))


service = Service(
    name="ledger",
    package="escalation",  # any package with migrations; the kernel's tables are what counts
    topic=SAID,
    listens=(HEARD,),
    settings=Settings,
    deciders={"ledger": Decider("ledger", Ledger(), Ledger, decide, evolve)},
    react=react,
    reacts_to=(PaymentMade,),
)


def payments() -> Iterator[Record]:
    """Messages without end, as a bus would hand them over."""
    now, nth = datetime.now(UTC), 0
    while True:
        account = f"ACC{nth % ACCOUNTS:09d}"
        paid = PaymentMade(
            account=account, amount=Money(Decimal("1520.50"), "CNY"), value_date=now.date(), remittance=REMITTANCE
        )
        yield Record(Partition(HEARD, 0), nth, account, encode(enveloped(paid, nth, now)))
        nth += 1


def enveloped(paid: PaymentMade, nth: int, now: datetime) -> Envelope:
    """The `nth` message."""
    stream = f"payments/{paid.account}"
    message_id = event_id("bench", stream, nth)
    return Envelope(
        id=message_id,
        source="/bench/bank",
        type=paid.event_type,
        subject=paid.account,
        time=now,
        recordedat=now,
        tenant="acme",
        stream=stream,
        streamversion=nth // ACCOUNTS + 1,
        partitionkey=paid.account,
        correlationid=message_id,
        schemaversion=1,
        data=msgspec.Raw(msgspec.json.encode(paid)),
        actor=Actor(id="bank"),
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    )
