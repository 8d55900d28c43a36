"""The decider of cases: which subject decides on a command, and when a case wakes.

Facts change what is known (case/); decisions fall only when the case is assessed (assessment/), at an instant fixed
beforehand. So a decision depends on the set of facts recorded before its instant, not on the order they came in. What
has not gone out yet is cancelled at once.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial, reduce
from typing import assert_never

from doorstep.kernel.decider import Decider, Wake

from escalation.domain.assessment.assess import assess
from escalation.domain.assessment.decision_context import InContext
from escalation.domain.case import contacts, disputes, holds, loans, overrides, preferences, promises
from escalation.domain.case.case import Case, Event, evolve
from escalation.domain.case.lifecycle import owed_in
from escalation.domain.rules import rules


def decide(case: Case, informed: InContext, now: datetime) -> Sequence[Event]:  # noqa: PLR0911
    """What follows from the command. Raises Refused where a person asks for what cannot be."""
    command, policy = informed.command, informed.context.policy
    ledger, packs = case.contacts, policy.packs_at(case.borrower.country)
    if isinstance(command, Wake):
        # That a deadline has passed, or a permit lapsed, is said at its instant, and is no reason to decide on contact.
        due = _assessment(case)
        said: Sequence[Event] = [*disputes.missed_deadlines(case.disputes, now), *contacts.lapsed(ledger, now)]
        assessed = assess(reduce(evolve, said, case), informed.context, now) if due is not None and due <= now else ()
        return [*said, *assessed]
    if isinstance(command, loans.RecordFact):
        return loans.decide(case.loans, command, ledger, now)
    if isinstance(command, contacts.Command):
        return contacts.decide(ledger, command, now)
    if isinstance(command, promises.RecordPromise):
        zone = rules.zones_of(case.borrower.time_zone, case.borrower.region, policy.terms.home)[0]
        # It answers the last contact, which asked to be paid in one currency.
        books = promises.Books(owed_in(case.lifecycle, ledger.currency()), case.lifecycle.assessed_on)
        return promises.decide(case.promises, command, case.loans, books, zone, policy.terms.promise_grace_days, now)
    if isinstance(command, holds.Command):
        if isinstance(command, (holds.RenewHold, holds.LiftHold)):
            disputes.refuse_while_open(case.disputes, command.hold_id)
        return holds.decide(case.holds, command, ledger, partial(rules.hold_terms, packs), now)
    if isinstance(command, disputes.Command):
        return disputes.decide(case.disputes, command, case.loans, case.holds, ledger, now)
    if isinstance(command, preferences.Command):
        return preferences.decide(case.preferences, command, ledger, rules.blockable_hours(packs), now)
    if isinstance(command, overrides.Command):
        return overrides.decide(case.overrides, command, case.lifecycle.open, now)
    assert_never(command)


def wake_at(case: Case) -> datetime | None:
    """The next assessment, a deadline of a dispute, or the lapse of a permit: whichever is first."""
    deadlines = [at for dispute in case.disputes.by_id.values() for at in dispute.due().values()]
    wanted = (_assessment(case), case.contacts.lapse_at(), *deadlines)
    return min((at for at in wanted if at is not None), default=None)


def _assessment(case: Case) -> datetime | None:
    """As it was planned, at the end of a hold or of a promise's grace: whichever is first. A promise that the bank's
    facts cannot tell of yet waits for the next of them."""
    wanted = [case.lifecycle.assess_at, *(hold.until for hold in case.holds.by_id.values())]
    wanted += [promise.check_at for promise in case.promises.running.values() if promise.told(case.loans)]
    return min((at for at in wanted if at is not None), default=None)


DECIDER: Decider[Case, InContext, Event] = Decider("case", Case(), Case, decide, evolve, wake_at)
