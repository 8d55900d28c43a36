"""The figures of a sentence: each field of an event as a person writes it, and what an event's fields come to. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from functools import cache
from operator import attrgetter
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from doorstep.events import audit, kernel, reminder, visits
from doorstep.events.escalation.cases import CaseAssessed, CaseOpened, CaseReevaluated, Change
from doorstep.events.escalation.disputes import DisputeAnswered, DisputeAttached, DisputeClosed, DisputeOpened
from doorstep.events.escalation.holds import HoldPlaced
from doorstep.events.escalation.loans import LoanOverdueRecorded
from doorstep.events.escalation.outcomes import ContactOutcomeRecorded
from doorstep.events.escalation.overrides import OverrideRequested
from doorstep.events.escalation.permits import ContactDenied, ContactPermitted, VisitPermitted
from doorstep.events.escalation.preferences import BlockRecorded, ConsentRecorded
from doorstep.events.escalation.tenants import ShadowSet
from doorstep.events.kernel import SendingAllowed, SendingStopped
from doorstep.events.registry import Event
from doorstep.events.values import Decision, Language, Money, Sealed, Verdict
from doorstep.events.visits import Collector

from audit.presentation.words import ABSENT, ACTS, INDEX, PRESENT, WEEKDAYS, word
from audit.timeline.domain import refusals

SEALED = "«sealed»"


Writer = Callable[[Any, tzinfo], str]


def figures(event: Event, language: Language, zone: tzinfo, names: tuple[str, ...]) -> Mapping[str, str]:
    """The figures called `names`. Raises KeyError for one that the event does not have."""
    writers = _writers(type(event), names, language)
    if type(event) in _PLAIN:
        return {name: write(event, zone) for name, write in writers}
    told = dict(_special(event, language, zone))
    return {name: told[name] if name in told else write(event, zone) for name, write in writers}


# Nearly all of a long case; none of them has a figure that only _special knows.
_PLAIN = {
    LoanOverdueRecorded,
    CaseAssessed,
    ContactPermitted,
    ContactDenied,
    ContactOutcomeRecorded,
    reminder.ContactScheduled,
    reminder.ContactSent,
    reminder.ReceiptRecorded,
}


@cache
def _writers(cls: type[Event], names: tuple[str, ...], language: Language) -> Sequence[tuple[str, Writer]]:
    return [(name, _writer(cls, name, language)) for name in names]


def _writer(cls: type[Event], name: str, language: Language) -> Writer:
    hint, read = get_type_hints(cls).get(name), attrgetter(name)
    if hint is None:
        return lambda event, zone: _derived(event, name, language, zone)
    if name in _closed(cls):
        return lambda event, zone: _write(name, _in_words(read(event), language), language, zone)
    if hint is Money and name not in PRESENT:
        return lambda event, _: str(read(event).text(language))
    if hint is datetime and name not in PRESENT:
        return lambda event, zone: instant(read(event), zone)
    if hint in (str, int, date) and name not in PRESENT:
        return lambda event, _: str(read(event))
    return lambda event, zone: _write(name, read(event), language, zone)


def _derived(event: Any, name: str, language: Language, zone: tzinfo) -> str:  # noqa: PLR0911
    """What no field says by itself."""
    match name:
        case "act":
            return ACTS[event.channel][INDEX[language]]
        case "promise":
            return _promise(event.promise_amount, event.promise_due, language)
        case "days" if hasattr(event, "dpd"):
            return _count(event.dpd, "day", language)
        case "days":
            return _count(event.decision.inputs.dpd, "day", language)
        case "contacts":
            return _count(event.decision.inputs.contacts_today, "contact", language)
        case "amount_overdue" | "contacts_today":
            return _write(name, getattr(event.decision.inputs, name), language, zone)
        case "earliest_next":
            return _write(name, event.decision.earliest_next, language, zone)
        case "refusal":
            return _refusal(event.decision, language)
        case _:
            raise KeyError(name)


def _special(event: Event, language: Language, zone: tzinfo) -> Iterator[tuple[str, str]]:  # noqa: PLR0912
    index = INDEX[language]
    match event:
        case reminder.ContactStarted(opened=opened) | visits.NoticeStarted(opened=opened):
            yield "opened", _listed([word(name, language) for name in opened], language) or "—"
        case visits.NoticeFailed(unknown=unknown):
            yield "unknown", (("结果不明", "has an unknown outcome") if unknown else ("未发出", "failed"))[index]
        case kernel.MessageReleased(reason=str() as reason):
            yield "reason", (f"：{reason}", f": {reason}")[index]
        case kernel.ArtifactPublished():
            yield from _artifact(event, index)
        case audit.ViolationFound():
            yield "breach", breach(event, language)
        case audit.ErasureOrdered():
            yield from _erasure(event, language)
        case CaseOpened(after_reversal=True):
            yield "after", ("，因一笔还款被撤销", ", because a payment did not stand")[index]
        case CaseOpened():
            yield "after", ""
        case VisitPermitted(duties=duties):
            told = _listed([word(duty, language) for duty in duties], language)
            yield "duties", (f"；须遵守：{told}", f"; at the door: {told}")[index] if told else ""
        case CaseReevaluated(changes=changes, decisions=decisions):
            yield "changes", _changes(changes, language)
            yield "decided", _decided(len(decisions), language)
        case HoldPlaced():
            yield from _hold(event, language, zone)
        case DisputeOpened(loans=loans):
            named = _listed(loans, language)
            yield "loans", (f"（贷款 {named}）", f" (loans {named})")[index] if named else ""
        case DisputeAttached(uri=uri):
            yield "lies", (f"，存放于 {uri}", f", kept at {uri}")[index] if uri else ""
        case DisputeAnswered(late=late) | DisputeClosed(late=late):
            yield "late", ("（逾期）", " (late)")[index] if late else ""
        case ConsentRecorded(ways=ways, until=until):
            yield "ways", _ways(ways, language)
            yield "until", _write("consented_until", until, language, zone)
        case BlockRecorded(ways=ways):
            yield "ways", _ways(ways, language)
            yield "hours", _hours(event, language)
        case OverrideRequested(way=way, purpose=purpose):
            about = "" if way == "visit" else (f"（{word(purpose, language)}）", f" ({word(purpose, language)})")[index]
            yield "act", ACTS[way][index] + about
        case ShadowSet(on=on):
            yield "state", (("开启", "on") if on else ("关闭", "off"))[index]
        case SendingStopped(way=way) | SendingAllowed(way=way):
            yield "way", _ways((way,) if way else (), language)
        case _:
            return


def _artifact(event: kernel.ArtifactPublished, index: int) -> Iterator[tuple[str, str]]:
    version, days, source = event.version, event.retention_days, event.source
    yield "version", (f" 第 {version} 版", f" v{version}")[index] if version else ""
    kept = (f"；记录至少保存 {days} 天（{source}）", f"; keeps records at least {days} days ({source})")
    yield "kept", kept[index] if days else ""


def _erasure(event: audit.ErasureOrdered, language: Language) -> Iterator[tuple[str, str]]:
    index, ground = INDEX[language], word(event.cause, language)
    yield "early", ("，早于规则包要求的保存期限", " before the rule packs would have it")[index] if event.early else ""
    told = (f"{ground}：{event.rule}，{event.days} 天", f"{ground}: {event.days} days, by {event.rule}")
    yield "ground", told[index] if event.rule and event.days else ground


def _changes(changes: tuple[Change, ...], language: Language) -> str:
    if not changes:
        return ("所知情况不变", "nothing else is seen otherwise")[INDEX[language]]
    return _listed([f"{word(one.what, language)} {one.was} → {one.now}" for one in changes], language)


def _decided(number: int, language: Language) -> str:
    if number == 0:
        return ("此后尚无决定", "no decision was made since")[INDEX[language]]
    made = f"{number} decision" if number == 1 else f"{number} decisions"
    chinese = f"此后已有 {number} 项决定，作出时尚不知此事，维持原样"
    return (chinese, f"{made} since then, without knowing it, and standing as made")[INDEX[language]]


def _hold(event: HoldPlaced, language: Language, zone: tzinfo) -> Iterator[tuple[str, str]]:
    index = INDEX[language]
    loans, ways = _listed(event.loans, language), _listed([word(way, language) for way in event.ways], language)
    scope = [
        *([(f"贷款 {loans}", f"loans {loans}")[index]] if loans else []),
        *([(f"仅{ways}", f"only {ways}")[index]] if ways else []),
    ]
    why = [
        *([(f"依据 {event.rule}", f"by {event.rule}")[index]] if event.rule else []),
        *([event.reason] if event.reason else []),
    ]
    yield "scope", (f"（{'，'.join(scope)}）", f" ({', '.join(scope)})")[index] if scope else ""
    yield "begins", "" if event.starts is None else _write("hold_starts", event.starts, language, zone)
    yield "why", ("；", "; ")[index].join(["", *why])


def _ways(ways: tuple[str, ...], language: Language) -> str:
    return _listed([word(way, language) for way in ways], language) or ("所有方式", "every way")[INDEX[language]]


def _hours(event: BlockRecorded, language: Language) -> str:
    index = INDEX[language]
    days = _listed([WEEKDAYS[day][index] for day in event.weekdays], language) or ("每天", "every day")[index]
    if event.opens is None or event.closes is None:
        return days
    opens, closes = f"{event.opens:%H:%M}", f"{event.closes:%H:%M}"
    return (f"{days} {opens} 至 {closes}", f"{days} from {opens} to {closes}")[index]


def instant(moment: datetime, zone: tzinfo = UTC) -> str:
    """To the minute, with the zone as an offset from UTC, which names no country."""
    local = moment.astimezone(zone)
    return f"{local.isoformat(' ', 'minutes')[:16]} {offset(local)}"


def offset(local: datetime) -> str:
    """`UTC`, `UTC+8`, `UTC+5:30`."""
    return _offset(local.utcoffset() or timedelta())


@cache
def _offset(ahead: timedelta) -> str:
    hours, minutes = divmod(abs(ahead) // timedelta(minutes=1), 60)
    if hours == 0 and minutes == 0:
        return "UTC"
    return f"UTC{'-' if ahead < timedelta() else '+'}{hours}" + (f":{minutes:02}" if minutes else "")


def _write(name: str, value: Any, language: Language, zone: tzinfo) -> str:
    if value is None:
        return ABSENT.get(name, ("—", "—"))[INDEX[language]]
    said = _text(value, language, zone)
    return PRESENT[name][INDEX[language]].format(said) if name in PRESENT else said


def _text(value: Any, language: Language, zone: tzinfo) -> str:  # noqa: PLR0911
    match value:
        case str():
            return value
        case Money():
            return value.text(language)
        case datetime():
            return instant(value, zone)
        case date() | time():
            return value.isoformat()
        case Decimal():
            return f"{value:,f}"
        case Sealed():
            return SEALED
        case Collector():
            return f"{value.agent_id} ({value.agency})"
        case tuple():
            return _listed([_text(one, language, zone) for one in value], language) or "—"
        case _:
            return str(value)


def _listed(items: tuple[str, ...] | list[str], language: Language) -> str:
    return ("、", ", ")[INDEX[language]].join(items)


def _refusal(decision: Decision, language: Language) -> str:
    form, between, none = (
        ("{}（{}）", "；", "未注明规则"),
        ("{} ({})", "; ", "no rule is named"),
    )[INDEX[language]]
    return between.join(form.format(named(v), detail(v, language)) for v in refusals(decision)) or none


def named(verdict: Verdict) -> str:
    """The rule, behind its pack: `cn/quiet-hours`. One of ours has none."""
    return f"{verdict.pack}/{verdict.rule}" if verdict.pack else verdict.rule


def detail(verdict: Verdict, language: Language) -> str:
    """Why the rule said so, in `language`."""
    return verdict.detail_zh if language == "zh-CN" else verdict.detail


def breach(violation: audit.ViolationFound, language: Language) -> str:
    """Which rule, and why, in `language`."""
    if language == "zh-CN":
        return f"{violation.rule}：{violation.why_zh}"
    return f"{violation.rule}: {violation.why}"


def _promise(amount: Decimal | None, due: date | None, language: Language) -> str:
    if due is None:
        return ""
    sum_promised = _write("amount", amount, language, UTC)
    return (f"；承诺于 {due} 前还款 {sum_promised}", f"; promised {sum_promised} by {due}")[INDEX[language]]


def _count(number: int, unit: Literal["day", "contact"], language: Language) -> str:
    if language == "zh-CN":
        return f" {number} " + {"day": "天", "contact": "次联系"}[unit]
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def _in_words(value: Any, language: Language) -> Any:
    match value:
        case str():
            return word(value, language)
        case tuple():
            return tuple(_in_words(one, language) for one in value)
        case _:
            return value


@cache
def _closed(cls: type[Event]) -> Mapping[str, frozenset[str]]:
    hints: Mapping[str, Any] = get_type_hints(cls)
    return {name: values for name, hint in hints.items() if (values := _values(hint))}


def _values(hint: Any) -> frozenset[str]:
    """The values of the closed set that `hint` is, or holds one or several of."""
    match get_origin(hint):
        case origin if origin is Literal:
            return frozenset(get_args(hint))
        case origin if origin in (Union, UnionType, tuple):
            return frozenset(value for one in get_args(hint) for value in _values(one))
        case _ if isinstance(hint, type) and issubclass(hint, Change):
            return frozenset(value for one in get_type_hints(hint).values() for value in _values(one))
        case _:
            return frozenset()


def closed_values(cls: type[Event]) -> frozenset[str]:
    """Every value of every closed set among the fields of `cls`: each needs a word."""
    return frozenset(value for values in _closed(cls).values() for value in values)
