"""Contacts and visits: what was permitted, and what became of it. This ledger is what makes a cap strict."""

import dataclasses
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, assert_never

import msgspec
from doorstep.events.escalation.cases import CaseAssessed, CaseOpened
from doorstep.events.escalation.outcomes import ContactOutcomeRecorded, Outcome, VisitOutcome, VisitOutcomeRecorded
from doorstep.events.escalation.permits import (
    CancelReason,
    ContactDenied,
    ContactPermitted,
    PermitCancelled,
    PermitLapsed,
    Purpose,
    VisitDenied,
    VisitPermitted,
)
from doorstep.events.values import ContactMethod
from doorstep.messaging.windows import next_quarter
from msgspec.structs import replace

STAGES = ("none", "early", "middle", "late")
LEDGER_KEEPS = timedelta(days=60)
"""Longer than any counter of a rule looks back."""
LAPSES_AFTER = timedelta(days=2)
"""After its end: by then its executor has said what became of a permit, or something is broken."""
WENT = ("sent", "unknown", "started")
"""Outcomes that tell when a permit was used."""
WENT_OUT = ("sent", "unknown", "delivered", "no-answer", "undeliverable")
CONTACT_FINALITY = {"open": 0, "not-sent": 1, "sent": 1, "failed": 1, "unknown": 1, "delivered": 2}
CONTACT_FINALITY |= {"undeliverable": 2, "no-answer": 2, "answered": 3}
VISIT_FINALITY = {"open": 0, "noticed": 1, "started": 2, "completed": 3, "failed": 3, "not-made": 3}
"""How far along an outcome is. What is not further along than what is known says nothing new, except when it went."""

Permitted = ContactPermitted | VisitPermitted
OutcomeRecorded = ContactOutcomeRecorded | VisitOutcomeRecorded
Event = Permitted | ContactDenied | VisitDenied | PermitCancelled | PermitLapsed | OutcomeRecorded


@dataclass(frozen=True)
class RecordContactOutcome:
    """An executor says what became of a contact."""

    permit_id: str
    outcome: Outcome
    at: datetime


@dataclass(frozen=True)
class RecordVisitOutcome:
    """An executor says what became of a visit."""

    permit_id: str
    outcome: VisitOutcome
    at: datetime
    willingness: int | None = None


Command = RecordContactOutcome | RecordVisitOutcome


class LedgerEntry(msgspec.Struct, frozen=True):
    """What may have reached the borrower, as rules count it. `outcome` is the executor's last word, or `open` while it
    may still act. No `loans` means all. `answered_at` is when a conversation took place, where one did."""

    way: ContactMethod
    at: datetime
    outcome: str = "open"
    loans: tuple[str, ...] = ()
    purpose: str | None = None
    answered_at: datetime | None = None


class Permit(msgspec.Struct, frozen=True, kw_only=True):
    """A permitted contact or visit, or the notice of a visit. While it is open its executor may still act on it, even
    when it was cancelled: the cancellation may have crossed with the sending. It is `settled` once the borrower has
    answered, or the episode is over: then it no longer counts as unanswered. It is `lapsed` when no last word on it
    came in time: then it holds nothing up any more, and what becomes known later still counts."""

    permit_id: str
    way: ContactMethod
    purpose: Purpose | None = None
    at: datetime
    valid_until: datetime
    loans: tuple[str, ...] = ()
    currency: str | None = None
    decision_id: str = ""
    stage: int = 0
    episode: int = 0
    cancelled: bool = False
    first: bool = False
    settled: bool = False
    lapsed: bool = False
    outcome: str = "open"
    went_at: datetime | None = None
    answered_at: datetime | None = None
    phone_token: str | None = None
    address_token: str | None = None

    @property
    def kind(self) -> Literal["contact", "visit"]:
        """Who carries it out."""
        return "visit" if self.way == "visit" else "contact"

    def open(self) -> bool:
        """Whether its executor has not come to an end with it."""
        return not self.lapsed and self.outcome in ("open", "noticed", "started")

    def result(self) -> str:
        """The executor's last word; unknown where none came in time."""
        return "unknown" if self.lapsed and self.outcome == "open" else self.outcome

    def unanswered(self) -> bool:
        """Whether it went out, for all we know, and nobody answered."""
        return self.way != "visit" and not self.settled and self.result() in WENT_OUT

    def stoppable(self) -> bool:
        """Whether a cancellation may still stop it."""
        return self.open() and not self.cancelled and self.outcome != "started"

    def counts(self) -> bool:
        """Whether the permit is used up, or may still be: everything but what its executor gave back."""
        return self.outcome not in ("not-sent", "not-made")

    def went_out(self) -> bool:
        """Whether it may have reached the borrower."""
        return self.counts() and self.result() not in ("open", "failed", "noticed")

    def entry(self) -> LedgerEntry:
        """This permit, as rules count it."""
        at = self.went_at or self.at
        return LedgerEntry(self.way, at, self.result(), self.loans, self.purpose, self.answered_at)


class Contacts(msgspec.Struct, frozen=True, kw_only=True):
    """The `ledger` of the last weeks; the highest `stage` (a place in STAGES) in which a contact of this episode went
    out; how often the borrower answered, and the `attitude` (0-100) that the last visit found."""

    ledger: tuple[Permit, ...] = ()
    stage: int = 0
    answers: int = 0
    attitude: int | None = None
    last_visit: datetime | None = None
    visit_unmade: datetime | None = None

    def permit(self, permit_id: str) -> Permit | None:
        """The ledger's permit of that name."""
        return next((permit for permit in self.ledger if permit.permit_id == permit_id), None)

    def last_about(self, loans: Collection[str]) -> datetime | None:
        """When the last contact or visit about any of these was permitted."""
        return max((one.at for one in self.ledger if one.counts() and about(one.loans, tuple(loans))), default=None)

    def currency(self) -> str | None:
        """In which the last contact or visit asked to be paid."""
        return next((one.currency for one in reversed(self.ledger) if one.counts() and one.currency), None)

    def lapse_at(self) -> datetime | None:
        """When the first open permit lapses."""
        return min((permit.valid_until + LAPSES_AFTER for permit in self.ledger if permit.open()), default=None)

    def unanswered(self) -> int:
        """How many contacts in a row went out and were not answered."""
        return sum(permit.unanswered() for permit in self.ledger)

    def given_back(self, event: OutcomeRecorded) -> Purpose | None:
        """What the contact was for that was not sent, for all its executor says now."""
        permit = self.permit(event.permit_id) if event.outcome == "not-sent" else None
        return permit.purpose if permit else None


def about(some: tuple[str, ...], others: tuple[str, ...]) -> bool:
    """Whether two scopes (loans, or ways) meet, where an empty one means everything."""
    return not some or not others or not frozenset(some).isdisjoint(others)


def stage_of(dpd: int) -> int:
    """The stage that `dpd` days past due allow at most, as a place in STAGES."""
    return 0 if dpd <= 0 else min(3, (dpd - 1) // 30 + 1)


def cancellations(permits: Iterable[Permit], reason: CancelReason) -> list[PermitCancelled]:
    """Of those whose executor can still be stopped."""
    return [
        PermitCancelled(permit_id=permit.permit_id, kind=permit.kind, reason=reason)
        for permit in permits
        if permit.stoppable()
    ]


def decide(contacts: Contacts, command: Command, now: datetime) -> Sequence[OutcomeRecorded]:
    """What follows: nothing from an outcome that is known, or of a permit that is not. None happens after `now`: by a
    clock that goes ahead, the rest after a conversation would begin later."""
    permit = contacts.permit(command.permit_id)
    if permit is None:
        return []
    command = dataclasses.replace(command, at=min(command.at, now))
    when = command.outcome in WENT and permit.went_at is None and permit.counts()
    match command:
        case RecordContactOutcome(outcome=outcome, at=at):
            further = CONTACT_FINALITY[outcome] > CONTACT_FINALITY.get(permit.outcome, 0)
            if permit.way == "visit" or not (further or when):
                return []
            return [
                ContactOutcomeRecorded(
                    permit_id=permit.permit_id,
                    channel=permit.way,
                    outcome=outcome,
                    at=at,
                    # Given back: the step is still to be done.
                    assess_at=next_quarter(now) if outcome == "not-sent" else None,
                    first_at=permit.at if outcome == "not-sent" and permit.first else None,
                    phone_token=permit.phone_token,
                    address_token=permit.address_token,
                )
            ]
        case RecordVisitOutcome(outcome=outcome, at=at, willingness=willingness):
            notice = outcome == "noticed" and contacts.permit(f"{permit.permit_id}/notice") is None
            further = VISIT_FINALITY[outcome] > VISIT_FINALITY.get(permit.outcome, 0)
            if permit.way != "visit" or not (further or when or notice):
                return []
            return [
                VisitOutcomeRecorded(
                    permit_id=permit.permit_id,
                    outcome=outcome,
                    at=at,
                    willingness=willingness,
                    assess_at=next_quarter(now) if outcome in ("completed", "failed", "not-made") else None,
                    phone_token=permit.phone_token,
                    address_token=permit.address_token,
                )
            ]
    assert_never(command)


def lapsed(contacts: Contacts, now: datetime) -> list[PermitLapsed]:
    """Of which permits no last word has come, though it should have by now."""
    return [
        PermitLapsed(permit_id=permit.permit_id, kind=permit.kind, assess_at=next_quarter(now))
        for permit in contacts.ledger
        if permit.open() and permit.valid_until + LAPSES_AFTER <= now
    ]


def evolve(contacts: Contacts, event: Event | CaseOpened | CaseAssessed, episode: int) -> Contacts:  # noqa: PLR0911
    """The contacts after `event`, in `episode`."""
    match event:
        case CaseAssessed(dpd=dpd):
            return _at_most(contacts, stage_of(dpd))
        case ContactDenied() | VisitDenied():
            return _at_most(contacts, stage_of(event.decision.inputs.dpd))
        case ContactPermitted() | VisitPermitted():
            permitted = _permit(event, episode)
            kept = tuple(old for old in contacts.ledger if old.at > permitted.at - LEDGER_KEEPS)
            stage = min(contacts.stage, stage_of(event.decision.inputs.dpd))
            return replace(contacts, ledger=(*kept, permitted), stage=stage)
        case PermitCancelled(permit_id=permit_id):
            return _with(contacts, permit_id, cancelled=True)
        case PermitLapsed(permit_id=permit_id):
            permit = contacts.permit(permit_id)
            return contacts if permit is None else _lapsed(contacts, permit, episode)
        case ContactOutcomeRecorded(permit_id=permit_id):
            permit = contacts.permit(permit_id)
            return contacts if permit is None else _contact_outcome(contacts, permit, event, episode)
        case VisitOutcomeRecorded(permit_id=permit_id):
            permit = contacts.permit(permit_id)
            return contacts if permit is None else _visit_outcome(contacts, permit, event)
        case CaseOpened():
            return replace(contacts, ledger=_settled(contacts.ledger), stage=0)
    assert_never(event)


def _at_most(contacts: Contacts, stage: int) -> Contacts:
    return contacts if contacts.stage <= stage else replace(contacts, stage=stage)


def _permit(event: Permitted, episode: int) -> Permit:
    contact = event if isinstance(event, ContactPermitted) else None
    return Permit(
        permit_id=event.permit_id,
        way=contact.channel if contact else "visit",
        purpose=contact.purpose if contact else None,
        # In UTC: arithmetic on a clock with summer time would depend on whether the state was stored in between.
        at=event.decision.inputs.local_time.astimezone(UTC),
        valid_until=event.valid_until.astimezone(UTC),
        loans=event.loan_ids,
        currency=event.amount.currency,
        decision_id=event.decision.decision_id,
        stage=STAGES.index(event.decision.inputs.stage or "none"),
        episode=episode,
        first=contact is not None and contact.first,
        phone_token=event.phone_token,
        address_token=event.address_token,
    )


def _with(contacts: Contacts, permit_id: str, **changes: bool | str | datetime | None) -> Contacts:
    ledger = tuple(replace(one, **changes) if one.permit_id == permit_id else one for one in contacts.ledger)
    return replace(contacts, ledger=ledger)


def _settled(ledger: tuple[Permit, ...]) -> tuple[Permit, ...]:
    return tuple(replace(permit, settled=True) for permit in ledger)


def _lapsed(contacts: Contacts, permit: Permit, episode: int) -> Contacts:
    """It may have reached the borrower, a visit as late as it was allowed."""
    contacts = _with(contacts, permit.permit_id, lapsed=True)
    if permit.way == "visit":
        return replace(contacts, last_visit=max(contacts.last_visit or permit.valid_until, permit.valid_until))
    return replace(contacts, stage=max(contacts.stage, permit.stage if permit.episode == episode else 0))


def _contact_outcome(contacts: Contacts, permit: Permit, event: ContactOutcomeRecorded, episode: int) -> Contacts:
    name, outcome = event.permit_id, event.outcome
    if outcome == "not-sent":
        return _with(contacts, name, outcome=outcome)
    if outcome in WENT:
        contacts = _with(contacts, name, went_at=event.at.astimezone(UTC))
    if CONTACT_FINALITY[outcome] <= CONTACT_FINALITY[permit.outcome]:
        return contacts
    contacts = _with(contacts, name, outcome=outcome)
    if outcome == "answered":
        contacts = _with(contacts, name, answered_at=event.at.astimezone(UTC))
        contacts = replace(contacts, ledger=_settled(contacts.ledger), answers=contacts.answers + 1)
    stage = permit.stage if permit.episode == episode and outcome != "failed" else 0
    return replace(contacts, stage=max(contacts.stage, stage))


def _visit_outcome(contacts: Contacts, permit: Permit, event: VisitOutcomeRecorded) -> Contacts:
    name, outcome = event.permit_id, event.outcome
    if outcome == "not-made":
        return replace(_with(contacts, name, outcome=outcome), visit_unmade=event.at)
    if outcome == "started":
        contacts = _with(contacts, name, went_at=event.at.astimezone(UTC))
    if outcome == "noticed":
        contacts = replace(contacts, ledger=(*contacts.ledger, _notice(permit, event.at)))
    if VISIT_FINALITY[outcome] <= VISIT_FINALITY[permit.outcome]:
        return contacts
    contacts = _with(contacts, name, outcome=outcome)
    if outcome == "completed":
        contacts = _with(contacts, name, answered_at=event.at.astimezone(UTC))
        met = contacts.attitude if event.willingness is None else event.willingness
        return replace(contacts, ledger=_settled(contacts.ledger), last_visit=event.at, attitude=met)
    return replace(contacts, last_visit=event.at) if outcome == "failed" else contacts


def _notice(permit: Permit, at: datetime) -> Permit:
    """The notice of a visit is a message to the borrower too. It waits for no answer."""
    name, went = f"{permit.permit_id}/notice", at.astimezone(UTC)
    return replace(
        permit, permit_id=name, way="sms", outcome="sent", at=went, went_at=went, settled=True, cancelled=False
    )
