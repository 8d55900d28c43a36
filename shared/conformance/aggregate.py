"""What can be judged only when all of it is seen: caps, cool-downs, notices, and what is kept for how long."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from conformance.days import business_days, years_later
from conformance.record import CaseRecord, LogEntry, Out
from conformance.rules import Cap, Rules


class Breach(NamedTuple):
    """`event` broke `rule`; `why` in English and in Chinese."""

    event: LogEntry
    rule: str
    why: str
    why_zh: str


def over(rules: Rules, cap: Cap, out: Sequence[Out]) -> Iterator[Breach]:
    """What exceeds a cap, among what went `out` to one person (or number), in order."""
    counted = [one for one in out if one.way in cap.ways and _counts(cap, one)]
    if cap.scope != "debt":
        yield from _limit(rules, cap, counted)
        return
    for loan in sorted({loan for one in counted for loan in one.permit.loans}):
        yield from _limit(rules, cap, [one for one in counted if loan in one.permit.loans])


def _counts(cap: Cap, one: Out) -> bool:
    return cap.counts == "attempts" or (one.permit.answered is not None) == (cap.counts == "answered")


def _limit(rules: Rules, cap: Cap, counted: Sequence[Out]) -> Iterator[Breach]:
    for earlier, one in zip(counted, counted[cap.limit :], strict=False):
        if one.under(rules) and _same_period(cap, earlier, one):
            many, since, until = cap.limit + 1, _told(earlier), _told(one)
            yield Breach(
                one.event,
                cap.rule,
                f"{many} from {since} to {until}, at most {cap.limit} allowed",
                f"{since} 至 {until} 共 {many} 次，上限 {cap.limit} 次",
            )


def _told(one: Out) -> str:
    return f"{one.at.astimezone(one.zones[0]):%Y-%m-%d %H:%M} {one.zones[0].key}"


def _same_period(cap: Cap, earlier: Out, one: Out) -> bool:
    first, last = earlier.day(), one.day()
    match cap.period:
        case "rolling":
            return one.at - earlier.at < timedelta(days=cap.days)
        case "local":
            return (last - first).days < cap.days
        case "day":
            return any(earlier.at.astimezone(zone).date() == one.at.astimezone(zone).date() for zone in one.zones)
        case "week":
            return first.isocalendar()[:2] == last.isocalendar()[:2]
        case "month":
            return (first.year, first.month) == (last.year, last.month)


def too_soon(rules: Rules, out: Sequence[Out]) -> Iterator[Breach]:
    """Calls in the cool-down after a conversation about the same debt; the day they talked is day 1."""
    calls = [one for one in out if one.way == "voice"]
    for talk in calls if rules.cool_down_days else ():
        if (talked := talk.permit.answered) is None:
            continue
        first_day = min(talked.astimezone(zone).date() for zone in talk.zones)
        for call in calls:
            day = (call.day() - first_day).days + 1
            same_debt = set(call.permit.loans) & set(talk.permit.loans)
            if call.under(rules) and same_debt and call.at > talked and day <= rules.cool_down_days:
                yield Breach(
                    call.event,
                    "cool-down",
                    f"a call on day {day} after they talked, none for {rules.cool_down_days} days",
                    f"通话后第 {day} 天再次拨打，{rules.cool_down_days} 天内不得拨打",
                )


def unannounced(rules: Rules, out: Sequence[Out]) -> Iterator[Breach]:
    """What came before, or too soon after, the notice that collection of a debt starts."""
    given: dict[str, date] = {}
    for one in out if rules.notice_before else ():
        for loan in one.permit.loans:
            if one.purpose == "collection-notice":
                given.setdefault(loan, one.day())
            elif one.under(rules) and loan not in given:
                why = f"no notice of collection was given for {loan}", f"贷款 {loan} 未事先发出催收告知"
                yield Breach(one.event, "prior notice", *why)
            elif one.under(rules) and business_days(rules.country, given[loan], one.day()) < rules.notice_before:
                yield Breach(
                    one.event,
                    "prior notice",
                    f"given on {given[loan]}, less than {rules.notice_before} business days before",
                    f"催收告知发于 {given[loan]}，不足 {rules.notice_before} 个工作日",
                )


def unvalidated(rules: Rules, out: Sequence[Out]) -> Iterator[Breach]:
    """What followed the first contact about a debt in an episode although validation information did not come in time.
    Whoever paid in time need not be told: a new episode begins anew."""
    firsts: dict[tuple[int, str], date] = {}
    given: set[str] = set()
    for one in out if rules.validation_within is not None else ():
        if one.purpose == "validation-notice":
            given.update(one.permit.loans)
            continue
        for loan in set(one.permit.loans) - given:
            until = firsts.setdefault((one.episode, loan), one.day()) + timedelta(days=rules.validation_within or 0)
            if one.under(rules) and one.day() > until:
                yield Breach(
                    one.event,
                    "validation",
                    f"not given for {loan} by {until}, and contact went on",
                    f"贷款 {loan} 的欠款确认告知未在 {until} 前发出，联系却仍在继续",
                )


GRACE = timedelta(days=2)
"""How long an erasure that is due may take."""


def kept_too_long(case: CaseRecord, now: datetime, limit_days: int) -> Iterator[Breach]:
    """A case that ended more than `limit_days` ago, or as long as the law wants records kept where that is more, and is
    not erased although nothing stands in the way. Of a policy we have no numbers for nothing is said."""
    keeping = case.keeping
    stays = keeping.obstacles or keeping.erased or not case.known()
    if keeping.ended is None or keeping.ended_by is None or stays:
        return
    due = max(keeping.ended + timedelta(days=limit_days), keep_until(case, keeping.ended))
    if now > max(due, keeping.free_since or due) + GRACE:
        why = (f"to be erased by {due:%Y-%m-%d}, and is not", f"应于 {due:%Y-%m-%d} 前抹除，至今未抹除")
        yield Breach(keeping.ended_by, "retention", *why)


def keep_until(case: CaseRecord, ended: datetime) -> datetime:
    """Until when the record of a case that ended then has to be kept."""
    return years_later(ended, max((rules.keep_years for rules in case.book()), default=0))
