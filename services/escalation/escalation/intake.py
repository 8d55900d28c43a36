"""The door for a bank's facts: decode strictly, seal what is personal, and turn into commands.

From here on no plaintext travels. What cannot be read is parked, with the case it concerns where the bytes,
or the loan's earlier facts, still tell."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Protocol, get_args

import msgspec
from doorstep.bus.interface import Record
from doorstep.events import intake
from doorstep.events.envelope import UNREADABLE
from doorstep.events.escalation.loans import (
    LoanCureRecorded,
    LoanOverdueRecorded,
    PaymentRecorded,
    PaymentReversalRecorded,
)
from doorstep.events.values import ContactPoint, Sealed
from doorstep.infra.vault import Tokens, Vault, unless_erased
from doorstep.kernel.decider import Routed
from doorstep.kernel.parking import storable
from doorstep.kernel.service import HasClock, HasDatabase, HasVault, Translated, Unreadable
from doorstep.messaging.channels import e164, possible
from sqlalchemy import text

from escalation.domain.case.loans import Fact, RecordFact
from escalation.react import case_stream

ERASED = "the borrower was erased: nothing more can be kept of them; discard this message"


@dataclass(frozen=True)
class _Known:
    record: Record
    fact: intake.Fact
    case_id: str

    @property
    def key(self) -> str:
        return intake.loan_key(self.fact.tenant, self.fact.data.loan_id)


class Door(HasClock, HasDatabase, HasVault, Protocol):
    """What the door takes."""


async def translate(runtime: Door, records: Sequence[Record]) -> Sequence[Translated | Unreadable]:
    """One meaning per record, in order. Keys for all borrowers come in one query."""
    meanings: dict[Record, Translated | Unreadable] = {}
    known = []
    for record in records:
        try:
            fact = intake.decode_fact(record.value)
            _check_key(record, fact)
            _check_date(fact, runtime.clock.now())
            known.append(_Known(record, fact, runtime.vault.tokens.case_id(fact.tenant, intake.borrower_id(fact))))
        except intake.Malformed as error:
            meanings[record] = await _unreadable(runtime, record, str(error))
    for one, sealed in zip(known, await unless_erased(partial(_seal, runtime.vault), known), strict=True):
        meanings[one.record] = (
            _translated(runtime.vault.tokens, one, *sealed) if sealed else Unreadable(ERASED, one.case_id, one.key)
        )
    return [meanings[record] for record in records]


async def _seal(vault: Vault, known: Sequence[_Known]) -> Sequence[tuple[Sealed, Sealed]]:
    items = []
    for one in known:
        borrower = one.fact.data.borrower if isinstance(one.fact, intake.LoanOverdueFact) else None
        items += [(one.case_id, msgspec.json.encode(borrower)), (one.case_id, one.record.value)]
    sealed = await vault.seal(items)
    return list(zip(sealed[::2], sealed[1::2], strict=True))


def _translated(tokens: Tokens, one: _Known, personal: Sealed, original: Sealed) -> Translated:
    fact = one.fact
    command = RecordFact(_event(tokens, one, personal, original))
    return Translated(
        message_id=f"{fact.tenant} {intake.fact_name(fact.source, fact.id)}",
        case_id=one.case_id,
        correlation_id=fact.id,
        routed=[Routed(case_stream(one.case_id, fact.tenant), command)],
        key=one.key,
    )


def _event(tokens: Tokens, one: _Known, personal: Sealed, original: Sealed) -> Fact:
    match one.fact:
        case intake.LoanOverdueFact(id=fact_id, source=source, tenant=tenant, data=data):
            return LoanOverdueRecorded(
                fact_id=fact_id,
                source=source,
                loan_id=data.loan_id,
                product=data.product,
                principal_outstanding=intake.money(data.principal_outstanding, data.currency),
                amount_overdue=intake.money(data.amount_overdue, data.currency),
                overdue_since=data.overdue_since,
                business_date=data.business_date,
                dpd=(data.business_date - data.overdue_since).days + 1,
                language=data.language,
                phone_token=tokens.phone(tenant, e164(data.borrower.phone, data.region)),
                address_token=tokens.address(tenant, data.borrower.address) if data.borrower.address else None,
                personal=personal,
                original=original,
                said_at=one.fact.time,
                region=data.region,
                time_zone=data.time_zone,
                segment=data.segment,
                contact_points=_contact_points(data),
            )
        case intake.LoanCuredFact(id=fact_id, source=source, data=data):
            return LoanCureRecorded(
                fact_id=fact_id,
                source=source,
                loan_id=data.loan_id,
                business_date=data.business_date,
                original=original,
                said_at=one.fact.time,
            )
        case intake.PaymentReceivedFact(id=fact_id, source=source, data=data):
            return PaymentRecorded(
                fact_id=fact_id,
                source=source,
                loan_id=data.loan_id,
                amount=intake.money(data.amount, data.currency),
                paid_on=data.paid_on,
                original=original,
                said_at=one.fact.time,
            )
        case intake.PaymentReversedFact(id=fact_id, source=source, data=data):
            return PaymentReversalRecorded(
                fact_id=fact_id,
                source=source,
                loan_id=data.loan_id,
                payment_id=data.payment_id,
                reversed_on=data.reversed_on,
                original=original,
            )


def _contact_points(data: intake.LoanOverdue) -> tuple[ContactPoint, ...]:
    """By which the borrower can be reached. What cannot be a telephone number is none."""
    told: tuple[ContactPoint, ...] = tuple(one for one in get_args(ContactPoint) if getattr(data.borrower, one))
    return tuple(one for one in told if one != "phone" or possible(data.borrower.phone, data.region))


def _check_key(record: Record, fact: intake.Fact) -> None:
    expected = intake.loan_key(fact.tenant, fact.data.loan_id)
    if record.key not in (expected, fact.data.loan_id):
        raise intake.Malformed("the message key is not <tenant>:<loan_id>, so this loan's facts have no order")


def _check_date(fact: intake.Fact, now: datetime) -> None:
    # A date from the future would make every true one late until it comes. Where a date comes first on Earth,
    # clocks are 14 hours ahead of UTC.
    name = _DATES.get(type(fact), "business_date")
    told: date = getattr(fact.data, name)
    if told > (now + timedelta(hours=14)).date():
        raise intake.Malformed(f"{name} lies in the future - at `$.data.{name}`")


_DATES: dict[type, str] = {intake.PaymentReceivedFact: "paid_on", intake.PaymentReversedFact: "reversed_on"}


class _Glimpse(msgspec.Struct):
    """As little of a broken fact as tells whose it is."""

    class Data(msgspec.Struct):
        class Named(msgspec.Struct):
            borrower_id: str | None = None

        loan_id: str | None = None
        borrower_id: str | None = None
        borrower: Named | None = None

    tenant: str
    data: Data


_glimpse = msgspec.json.Decoder(_Glimpse)


async def _unreadable(runtime: Door, record: Record, reason: str) -> Unreadable:
    """With the case and the loan, as the bytes tell, or else the message's key. A key without a tenant counts only
    where one tenant alone has a loan of that id: else the message holds up nobody's."""
    tenant, _, loan_id = record.key.rpartition(":")
    try:
        glimpse = _glimpse.decode(record.value)
    except UNREADABLE:
        glimpse = None
    if glimpse is not None:
        tenant, loan_id = glimpse.tenant, glimpse.data.loan_id or loan_id
        borrower = glimpse.data.borrower.borrower_id if glimpse.data.borrower else glimpse.data.borrower_id
        if borrower:
            case_id = runtime.vault.tokens.case_id(tenant, borrower)
            return Unreadable(reason, case_id, intake.loan_key(tenant, loan_id))
    if not (storable(tenant) and storable(loan_id)):
        return Unreadable(reason)
    async with runtime.engine.connect() as connection:
        found = (await connection.execute(_LOAN, {"tenant": tenant, "loan_id": loan_id})).one_or_none()
    if found is not None:
        return Unreadable(reason, found.case_id, intake.loan_key(found.tenant, loan_id))
    return Unreadable(reason, key=intake.loan_key(tenant, loan_id) if tenant else None)


_LOAN = text(
    "select min(case_id) as case_id, min(tenant) as tenant from loan"
    " where loan_id = :loan_id and (tenant = :tenant or :tenant = '') having count(*) = 1"
)
