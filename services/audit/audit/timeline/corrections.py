"""Which entries of a case correct which others. Pure, and a function of the set of entries alone.

A reversal corrects its payment; of one loan and business date, what the bank said later corrects what it said before,
however late either came; a case looked at again bears on the decisions that were made without knowing it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise

import msgspec
from doorstep.events.escalation.cases import CaseReevaluated
from doorstep.events.escalation.loans import (
    LoanCureRecorded,
    LoanOverdueRecorded,
    PaymentRecorded,
    PaymentReversalRecorded,
)
from doorstep.events.registry import Event
from doorstep.events.values import Decision

from audit.store.entry import Entry

Name = tuple[str, ...]
Positions = Mapping[int, tuple[int, ...]]


class Corrections(msgspec.Struct, frozen=True):
    """By the position of an entry: `of` what it corrects, `by` what corrects it."""

    of: Positions
    by: Positions


def corrections(entries: Sequence[Entry]) -> Corrections:
    """Who corrects whom; whoever is not named corrects nothing."""
    told: dict[Name, list[Entry]] = defaultdict(list)
    for entry in entries:
        if name := _name(entry.event):
            told[name].append(entry)
    of: dict[int, list[int]] = defaultdict(list)
    by: dict[int, list[int]] = defaultdict(list)
    for later, earlier in sorted(set(_pairs(entries, told))):
        of[later].append(earlier)
        by[earlier].append(later)
    return Corrections(*({position: tuple(others) for position, others in one.items()} for one in (of, by)))


def _name(event: Event | None) -> Name | None:
    """What others correct it by."""
    match event:
        case LoanOverdueRecorded() | LoanCureRecorded():
            return ("loan", event.loan_id, event.business_date.isoformat())
        case PaymentRecorded():
            return ("payment", event.source, event.fact_id)
        case _:
            decision = getattr(event, "decision", None)
            return ("decision", decision.decision_id) if isinstance(decision, Decision) else None


def _pairs(entries: Iterable[Entry], told: Mapping[Name, Sequence[Entry]]) -> Iterator[tuple[int, int]]:
    for entry in entries:
        for name in _corrected(entry.event):
            yield from ((entry.position, earlier.position) for earlier in told.get(name, ()))
    for name, facts in told.items():
        if name[0] == "loan" and len(facts) > 1:
            for earlier, later in pairwise(sorted(facts, key=_said)):
                if earlier.envelope.id != later.envelope.id:
                    yield later.position, earlier.position


def _corrected(event: Event | None) -> Iterable[Name]:
    match event:
        case PaymentReversalRecorded():
            return [("payment", event.source, event.payment_id)]
        case CaseReevaluated():
            return [("decision", decision_id) for decision_id in event.decisions]
        case _:
            return ()


def _said(fact: Entry) -> tuple[datetime, datetime, str]:
    said_at: datetime | None = getattr(fact.event, "said_at", None)
    return (said_at or fact.envelope.recordedat, fact.envelope.recordedat, fact.envelope.id)
