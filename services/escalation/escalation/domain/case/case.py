"""What is known of a case, subject by subject, and how each event changes it."""

from datetime import datetime
from typing import assert_never

import msgspec
from doorstep.events.escalation.cases import CaseAssessed, CaseCured, CaseOpened, CaseReevaluated
from doorstep.events.escalation.holds import HoldPlaced
from doorstep.events.escalation.permits import (
    ContactDenied,
    PermitCancelled,
    PermitLapsed,
    VisitDenied,
)
from doorstep.kernel.decider import Wake
from msgspec.structs import replace

from escalation.domain.case import (
    borrower,
    contacts,
    disputes,
    holds,
    lifecycle,
    loans,
    overrides,
    preferences,
    promises,
)
from escalation.domain.case.borrower import BorrowerProfile
from escalation.domain.case.contacts import Contacts
from escalation.domain.case.disputes import Disputes
from escalation.domain.case.holds import Holds
from escalation.domain.case.lifecycle import Lifecycle
from escalation.domain.case.loans import Loans
from escalation.domain.case.overrides import Overrides
from escalation.domain.case.preferences import Preferences
from escalation.domain.case.promises import Promises

Event = (
    loans.Event | lifecycle.Event | contacts.Event | promises.Event | holds.Event | disputes.Event | preferences.Event
    | overrides.Event
)  # fmt: skip
Command = (
    loans.RecordFact | contacts.Command | promises.RecordPromise | holds.Command | disputes.Command
    | preferences.Command | overrides.Command | Wake
)  # fmt: skip
_Assessed = CaseAssessed | ContactDenied | VisitDenied | CaseOpened
Part = Contacts | Promises | Holds | Disputes | Preferences | Overrides


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a decision is made from, a part for each subject. No two parts store a field under one name: people
    see them side by side."""

    lifecycle: Lifecycle = Lifecycle()
    loans: Loans = Loans()
    borrower: BorrowerProfile = BorrowerProfile()
    contacts: Contacts = Contacts()
    promises: Promises = Promises()
    holds: Holds = Holds()
    disputes: Disputes = Disputes()
    preferences: Preferences = Preferences()
    overrides: Overrides = Overrides()


def evolve(case: Case, event: Event) -> Case:  # noqa: PLR0911, PLR0912
    """The case after `event`: every part that it concerns takes it in."""
    if isinstance(event, loans.Fact):
        return replace(
            case,
            lifecycle=lifecycle.planned(case.lifecycle, event.assess_at),
            loans=loans.evolve(case.loans, event),
            borrower=borrower.evolve(case.borrower, event),
        )
    if isinstance(event, _Assessed):
        return replace(
            case,
            lifecycle=lifecycle.evolve(case.lifecycle, event),
            contacts=contacts.evolve(case.contacts, event, case.lifecycle.episode),
        )
    if isinstance(event, contacts.Permitted):
        return replace(
            case,
            lifecycle=lifecycle.evolve(case.lifecycle, event),
            contacts=contacts.evolve(case.contacts, event, case.lifecycle.episode),
            promises=promises.evolve(case.promises, event),
            overrides=overrides.evolve(case.overrides, event),
        )
    if isinstance(event, contacts.OutcomeRecorded):
        unsaid = case.lifecycle.open and case.contacts.given_back(event) == "promise-broken"
        return _with(
            case,
            event,
            contacts=contacts.evolve(case.contacts, event, case.lifecycle.episode),
            promises=promises.unsaid(case.promises) if unsaid else case.promises,
        )
    if isinstance(event, PermitCancelled):
        return replace(case, contacts=contacts.evolve(case.contacts, event, case.lifecycle.episode))
    if isinstance(event, PermitLapsed):
        return _with(case, event, contacts=contacts.evolve(case.contacts, event, case.lifecycle.episode))
    if isinstance(event, CaseCured):
        return replace(
            case,
            lifecycle=lifecycle.evolve(case.lifecycle, event),
            loans=loans.evolve(case.loans, event),
            promises=promises.evolve(case.promises, event),
            overrides=overrides.evolve(case.overrides, event),
        )
    if isinstance(event, CaseReevaluated):
        return case
    if isinstance(event, promises.Event):
        return _with(case, event, promises=promises.evolve(case.promises, event))
    if isinstance(event, holds.Event):
        return _with(case, event, holds=holds.evolve(case.holds, event))
    if isinstance(event, disputes.Event):
        return _with(case, event, disputes=disputes.evolve(case.disputes, event))
    if isinstance(event, preferences.Event):
        return _with(case, event, preferences=preferences.evolve(case.preferences, event))
    if isinstance(event, overrides.Event):
        return _with(case, event, overrides=overrides.evolve(case.overrides, event))
    assert_never(event)


def _with(case: Case, event: Event, **parts: Part) -> Case:
    """The case with other `parts`, to be assessed when `event` asks for it, unless something earlier was planned."""
    at: datetime | None = event.starts if isinstance(event, HoldPlaced) else getattr(event, "assess_at", None)
    return replace(case, lifecycle=lifecycle.planned(case.lifecycle, at), **parts)
