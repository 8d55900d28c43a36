"""What another policy changes, case by case: contacts and visits that would have been denied, allowed, moved or made
in another way, with the rules that are why.

Decisions are compared by case, instant and way. A permit of the record without its like is, in this order: another
step at the same instant; moved, when one of the same way is permitted within three days; or gone. Its cause is
whatever refused last on the side that has no permit; nothing refused where the strategy did not want it.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Literal

import msgspec
from doorstep.events.values import ContactMethod

from escalation.backtest.recorded import Assessment, Refusal

Kind = Literal["contact-now-denied", "contact-now-allowed", "visit-lost", "visit-gained", "moved", "step-changed"]
NEAR = timedelta(days=3)
STRATEGY = "strategy"
"""In place of a rule: nothing was refused, the strategy wants something else."""


class DecisionChange(msgspec.Struct, frozen=True, kw_only=True):
    """A decision that comes out otherwise: `way` at `at` (`local`: on the borrower's clock), and where it went, to
    `to_way` at `to_at`. `refusals` are why: by the record for what is allowed now, else by the other policy. None:
    it is the strategy, which wants `step`, or does not any more."""

    kind: Kind
    tenant: str
    case_id: str
    at: datetime
    local: datetime
    way: ContactMethod
    bucket: str
    step: str
    refusals: tuple[Refusal, ...] = ()
    to_at: datetime | None = None
    to_way: ContactMethod | None = None
    decision_id: str | None = None

    def rules(self) -> Sequence[str]:
        """Those that are why, as `pack/rule`, or `strategy/step`."""
        return [refusal.rule for refusal in self.refusals] or [f"{STRATEGY}/{self.step}"]


class Count(msgspec.Struct, frozen=True):
    """So many changes of a kind because of a rule, in a bucket. A change that several rules explain counts for each."""

    kind: Kind
    rule: str
    bucket: str
    count: int


class Totals(msgspec.Struct, frozen=True):
    """What was decided, altogether; `refusals` by rule."""

    contacts: int
    visits: int
    denials: int
    refusals: dict[str, int]


class Differences(msgspec.Struct, frozen=True):
    """Of all cases. `changed` by kind, `counts` by rule and bucket, the most frequent first."""

    before: Totals
    after: Totals
    changed: dict[str, int]
    counts: tuple[Count, ...]
    examples: tuple[DecisionChange, ...]


def changes(
    tenant: str, case_id: str, was: Sequence[Assessment], now: Sequence[Assessment]
) -> Iterator[DecisionChange]:
    """How one case comes out: `was` by the record, `now` by the other policy, each in the order of time."""
    before, after = _Side(was), _Side(now)
    kept = before.permits.keys() & after.permits.keys()
    gone = [before.permits[key] for key in sorted(before.permits.keys() - kept)]
    fresh = {key: after.permits[key] for key in sorted(after.permits.keys() - kept)}
    left = []
    for assessment in gone:
        other = next((one for one in fresh.values() if one.at == assessment.at), None)
        if other is None:
            left.append(assessment)
        else:
            del fresh[other.at, _way(other)]
            yield _change("step-changed", tenant, case_id, assessment, after.refusals(assessment.at), other)
    for assessment in left:
        near = [one for one in fresh.values() if one.way == assessment.way and abs(one.at - assessment.at) <= NEAR]
        if near:
            other = min(near, key=lambda one: abs(one.at - assessment.at))
            del fresh[other.at, _way(other)]
            why = after if other.at > assessment.at else before
            yield _change("moved", tenant, case_id, assessment, why.refusals(min(assessment.at, other.at)), other)
        else:
            kind: Kind = "visit-lost" if assessment.way == "visit" else "contact-now-denied"
            yield _change(kind, tenant, case_id, assessment, after.refusals(assessment.at))
    for assessment in fresh.values():
        kind = "visit-gained" if assessment.way == "visit" else "contact-now-allowed"
        yield _change(kind, tenant, case_id, assessment, before.refusals(assessment.at))


def differences(
    found: Iterable[DecisionChange], was: Iterable[Assessment], now: Iterable[Assessment], examples: int
) -> Differences:
    """All of them counted, with up to `examples` of each kind: the earliest, of different rules first."""
    ordered = sorted(found, key=lambda one: (one.kind, one.at, one.case_id, one.way))
    counts = Counter((one.kind, rule, one.bucket) for one in ordered for rule in dict.fromkeys(one.rules()))
    told = [Count(*key, count) for key, count in sorted(counts.items(), key=lambda one: (-one[1], one[0]))]
    by_kind = {kind: list(ones) for kind, ones in groupby(ordered, key=lambda one: one.kind)}
    chosen = [one for ones in by_kind.values() for one in _varied(ones)[:examples]]
    changed: dict[str, int] = {kind: len(ones) for kind, ones in by_kind.items()}
    return Differences(_totals(was), _totals(now), changed, tuple(told), tuple(chosen))


class _Side:
    """One side's assessments of a case."""

    def __init__(self, assessments: Sequence[Assessment]) -> None:
        self._assessments = [assessment for assessment in assessments if assessment.way is not None]
        self.permits = {(one.at, _way(one)): one for one in self._assessments if one.outcome == "permitted"}
        self._instants = [one.at for one in self._assessments]

    def refusals(self, at: datetime) -> tuple[Refusal, ...]:
        """What refused at `at`, or before it and still stood: the same denial is not said twice."""
        nth = bisect_right(self._instants, at)
        said = self._assessments[nth - 1].refusals if nth else ()
        return tuple(one for one in said if one.until is None or one.until > at) or said


def _change(
    kind: Kind,
    tenant: str,
    case_id: str,
    was: Assessment,
    refusals: tuple[Refusal, ...],
    to: Assessment | None = None,
) -> DecisionChange:
    assert was.local is not None
    return DecisionChange(
        kind=kind,
        tenant=tenant,
        case_id=case_id,
        at=was.at,
        local=was.local,
        way=_way(was),
        bucket=was.bucket,
        step=(to or was).step,
        refusals=refusals,
        to_at=to.at if to else None,
        to_way=to.way if to else None,
        decision_id=was.decision_id,
    )


def _way(assessment: Assessment) -> ContactMethod:
    assert assessment.way is not None
    return assessment.way


def _varied(ones: Sequence[DecisionChange]) -> list[DecisionChange]:
    """Those with a first mention of their rules before the others."""
    seen: set[tuple[str, ...]] = set()
    first: list[DecisionChange] = []
    more: list[DecisionChange] = []
    for one in ones:
        rules = tuple(one.rules())
        (more if rules in seen else first).append(one)
        seen.add(rules)
    return [*first, *more]


def _totals(assessments: Iterable[Assessment]) -> Totals:
    outcomes: Counter[str] = Counter()
    refusals: Counter[str] = Counter()
    for assessment in assessments:
        kind = "visit" if assessment.way == "visit" else "contact"
        outcomes[kind if assessment.outcome == "permitted" else assessment.outcome] += 1
        refusals.update(refusal.rule for refusal in assessment.refusals)
    return Totals(outcomes["contact"], outcomes["visit"], outcomes["denied"], dict(refusals.most_common()))
