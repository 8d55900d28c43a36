"""What `tests.support.watch` can judge only when it has seen everything: caps, cool-downs, notices."""

from collections.abc import Collection, Iterator, Sequence
from datetime import date, datetime, timedelta

from tests.support.watch_calendar import business_days
from tests.support.watch_numbers import Cap, Rules
from tests.support.watch_record import Out

Breach = tuple[Out, str, str]


def over(cap: Cap, out: Sequence[Out], answered: Collection[str]) -> Iterator[Breach]:
    """What exceeds a cap, among what went `out` to one person (or number), in order."""
    counted = [one for one in out if one.way in cap.ways and _counts(cap, one, answered)]
    if cap.scope != "debt":
        yield from _limit(cap, counted)
        return
    for loan in sorted({loan for one in counted for loan in one.permit.loans}):
        yield from _limit(cap, [one for one in counted if loan in one.permit.loans])


def _counts(cap: Cap, one: Out, answered: Collection[str]) -> bool:
    return cap.counts == "attempts" or (one.permit_id in answered) == (cap.counts == "answered")


def _limit(cap: Cap, counted: Sequence[Out]) -> Iterator[Breach]:
    for earlier, one in zip(counted, counted[cap.limit :], strict=False):
        if _same_period(cap, earlier, one):
            yield one, cap.rule, f"{cap.limit + 1} from {earlier.at} to {one.at}"


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


def too_soon(rules: Rules, out: Sequence[Out], answered: dict[str, datetime]) -> Iterator[Breach]:
    """Calls in the cool-down after a conversation about the same debt; the day they talked is day 1."""
    calls = [one for one in out if one.way == "voice"]
    for talk in (one for one in calls if one.permit_id in answered):
        talked = answered[talk.permit_id]
        first_day = min(talked.astimezone(zone).date() for zone in talk.zones)
        for call in calls:
            day = (call.day() - first_day).days + 1
            same_debt = set(call.permit.loans) & set(talk.permit.loans)
            if same_debt and call.at > talked and day <= rules.cool_down_days:
                yield call, "cool-down", f"a call on day {day} after they talked"


def unannounced(rules: Rules, out: Sequence[Out]) -> Iterator[Breach]:
    """What came before, or too soon after, the notice that collection of a debt starts."""
    given: dict[str, date] = {}
    for one in out if rules.notice_before else ():
        for loan in one.permit.loans:
            if one.purpose == "collection-notice":
                given.setdefault(loan, one.day())
            elif loan not in given:
                yield one, "prior notice", f"no notice of collection was given for {loan}"
            elif business_days(rules.country, given[loan], one.day()) < rules.notice_before:
                yield one, "prior notice", f"given on {given[loan]}"


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
            if one.day() > until:
                yield one, "validation", f"not given for {loan} by {until}, and contact went on"
