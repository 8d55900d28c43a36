"""Rules of packs turned into judges: once per combination of packs and way."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache
from typing import get_args

from doorstep.events.escalation.holds import HoldKind
from doorstep.events.values import Way

from escalation.domain.rules import terms
from escalation.domain.rules.counting import CooldownJudge, CounterJudge, local_days, lookback
from escalation.domain.rules.hours import DAY, OpenHours, midnight_utc
from escalation.domain.rules.judge import Detail, Judge
from escalation.domain.rules.judges import BlocksJudge, HoursJudge, SuspensionJudge, VisitJudge
from escalation.domain.rules.notices import FollowUpJudge, PriorNoticeJudge
from escalation.domain.rules.pack import Pack

FIRST_ZONE, LAST_ZONE = timedelta(hours=14), timedelta(hours=12)
"""Somewhere a day begins 14 hours before, and ends 12 hours after, it does in UTC."""
CLASSES_ZH: dict[terms.DayClass, str] = {"workday": "工作日", "saturday": "周六", "sunday": "周日", "holiday": "节假日"}
MESSAGES = frozenset({"sms", "email", "push", "letter"})


@lru_cache(maxsize=1024)
def judges_of(packs: tuple[Pack, ...], way: Way) -> tuple[Judge, ...]:
    """The rules of all packs that speak about `way`, ready to be asked."""
    return tuple(judge for ways, judge in _judges(packs) if way in ways)


@lru_cache(maxsize=1024)
def refusing_of(packs: tuple[Pack, ...], way: Way) -> tuple[Judge, ...]:
    """Those of them whose no counts."""
    return tuple(judge for judge in judges_of(packs, way) if judge.refuses)


@lru_cache(maxsize=256)
def _judges(packs: tuple[Pack, ...]) -> tuple[tuple[tuple[Way, ...], Judge], ...]:
    known = tuple(dict.fromkeys(pack.holidays for pack in packs if pack.holidays)) or (None,)
    made = [
        (_ways(rule), judge)
        for pack in packs
        for rule in pack.rules
        for judge in _judge(pack, rule, (pack.holidays,) if pack.holidays else known)
    ]
    judges = [judge for _, judge in made]
    return tuple((ways, _leaving(judge, judges)) for ways, judge in made)


def _ways(rule: terms.AnyRule) -> tuple[Way, ...]:
    match rule:
        case terms.Visit() | terms.Counter(unit="visit"):
            return ("visit",)
        case terms.Suspension(holds=holds):
            return tuple(way for way in terms.WAYS if any(not stop.ways or way in stop.ways for stop in holds.values()))
        case terms.Hours() | terms.Counter() | terms.Cooldown() | terms.PriorNotice() | terms.FollowUpNotice():
            return rule.ways or terms.WAYS
        case terms.Blocks():
            return rule.ways or terms.WAYS
        case terms.Duties() | terms.Retention() | terms.ThirdParty() | terms.OptOut() | terms.Conduct():
            return ()


def _judge(pack: Pack, rule: terms.AnyRule, calendars: tuple[terms.Holidays | None, ...]) -> Iterator[Judge]:
    since, until = rule.effective.since, rule.effective.until
    starts = midnight_utc(since) - FIRST_ZONE if since else None
    ends = midnight_utc(until + DAY) + LAST_ZONE if until else None
    match rule:
        case terms.Hours():
            yield HoursJudge(pack.id, rule, starts, ends, _open_hours(rule, calendars), _hours_said(rule))
        case terms.Counter():
            ways = frozenset(_ways(rule))
            yield CounterJudge(pack.id, rule, starts, ends, ways, lookback(rule.window), _counted_said(rule))
        case terms.Cooldown():
            days = rule.days if rule.day_one == "counts" else rule.days + 1
            yield CooldownJudge(pack.id, rule, starts, ends, frozenset(_ways(rule)), local_days(days))
        case terms.Visit():
            yield VisitJudge(pack.id, rule, starts, ends)
        case terms.PriorNotice():
            yield PriorNoticeJudge(pack.id, rule, starts, ends, calendars[0])
        case terms.FollowUpNotice():
            yield FollowUpJudge(pack.id, rule, starts, ends)
        case terms.Suspension():
            yield SuspensionJudge(pack.id, rule, starts, ends, _stops(rule), {})
        case terms.Blocks():
            yield BlocksJudge(pack.id, rule, starts, ends)
        case _:
            pass


def _open_hours(rule: terms.Hours, calendars: tuple[terms.Holidays | None, ...]) -> OpenHours:
    spans = {name: _spans(rule, name) for name in get_args(terms.DayClass)}
    return OpenHours({name: tuple(map(terms.minutes_of, one)) for name, one in spans.items()}, calendars)


def _spans(rule: terms.Hours, name: terms.DayClass) -> tuple[str, ...]:
    spans: terms.Spans = getattr(rule.windows, name)
    return () if spans == "none" else spans


def _hours_said(rule: terms.Hours) -> dict[terms.DayClass, Detail]:
    said: dict[terms.DayClass, Detail] = {}
    for name in get_args(terms.DayClass):
        spans = _spans(rule, name)
        en = f"only {', '.join(spans)} on a {name}, local time of the borrower" if spans else f"not on a {name}"
        zh = f"{CLASSES_ZH[name]}仅限借款人当地时间 {'、'.join(spans)}" if spans else f"{CLASSES_ZH[name]}不联系"
        said[name] = (en, zh)
    return said


def _counted_said(rule: terms.Counter) -> Detail:
    """With a place for the number counted."""
    things, things_zh = _things(rule)
    when, when_zh = _when(rule.window)
    where, where_zh = {
        "person": ("", ""),
        "debt": (" about this debt", "（本笔债务）"),
        "number": (" to this number", "（本号码）"),
        "address": (" to this address", "（本地址）"),
    }[rule.scope]
    en = f"%d of {rule.limit} {things}{where} {when}"
    return en, f"{when_zh}{things_zh} %d 次{where_zh}，上限 {rule.limit} 次"


def _things(rule: terms.Counter) -> Detail:
    ways = frozenset(_ways(rule))
    if ways == {"visit"}:
        return "visits", "上门"
    if ways == {"voice"}:
        return {
            "effective": ("effective calls", "有效通话"),
            "unanswered": ("unanswered calls", "未接通拨打"),
        }.get(rule.unit, ("calls", "拨打"))
    return ("messages", "发送消息") if ways <= MESSAGES else ("contacts", "联系")


def _when(window: terms.Window) -> Detail:
    if window.rolling_days is not None:
        return f"in {window.rolling_days} days", f"{window.rolling_days} 天内"
    if window.local_days is not None:
        return f"in {window.local_days} days with this one", f"含当日 {window.local_days} 天内"
    return {"week": ("this week", "本周"), "month": ("this month", "本月")}.get(
        window.calendar or "day", ("today", "当日")
    )


def _stops(rule: terms.Suspension) -> dict[HoldKind, frozenset[Way]]:
    return {kind: frozenset(stop.ways or terms.WAYS) for kind, stop in rule.holds.items()}


def _leaving(judge: Judge, judges: list[Judge]) -> Judge:
    """A fallback with the rules it leaves each kind of hold to."""
    if not isinstance(judge, SuspensionJudge) or not judge.rule.fallback:
        return judge
    others = [one for one in judges if isinstance(one, SuspensionJudge) and one.refuses and not one.rule.fallback]
    named = {kind: tuple(one for one in others if kind in one.stops) for kind in judge.stops}
    return replace(judge, elsewhere=named)
