"""Rules of packs compiled into evaluators: once per combination of packs and way."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache
from typing import get_args

from doorstep.events.escalation.holds import HoldKind
from doorstep.events.values import ContactMethod
from doorstep.messaging.channels import CHANNELS

from escalation.domain.rules import schema
from escalation.domain.rules.counting import CooldownEvaluator, CounterEvaluator, local_days, lookback
from escalation.domain.rules.evaluator import Detail, Evaluator
from escalation.domain.rules.evaluators import BlocksEvaluator, HoursEvaluator, SuspensionEvaluator, VisitEvaluator
from escalation.domain.rules.hours import DAY, OpenHours, midnight_utc
from escalation.domain.rules.notices import FollowUpEvaluator, PriorNoticeEvaluator
from escalation.domain.rules.pack import Pack

FIRST_ZONE, LAST_ZONE = timedelta(hours=14), timedelta(hours=12)
"""Somewhere a day begins 14 hours before, and ends 12 hours after, it does in UTC."""
CLASSES_ZH: dict[schema.DayClass, str] = {
    "workday": "工作日",
    "saturday": "周六",
    "sunday": "周日",
    "holiday": "节假日",
}
CALLS = frozenset(way for way, channel in CHANNELS.items() if channel.call)
MESSAGES = frozenset(CHANNELS) - CALLS


@lru_cache(maxsize=1024)
def evaluators_of(packs: tuple[Pack, ...], way: ContactMethod) -> tuple[Evaluator, ...]:
    """The rules of all packs that speak about `way`, ready to be asked."""
    return tuple(evaluator for ways, evaluator in _evaluators(packs) if way in ways)


@lru_cache(maxsize=1024)
def refusing_of(packs: tuple[Pack, ...], way: ContactMethod) -> tuple[Evaluator, ...]:
    """Those of them whose no counts."""
    return tuple(evaluator for evaluator in evaluators_of(packs, way) if evaluator.refuses)


@lru_cache(maxsize=256)
def _evaluators(packs: tuple[Pack, ...]) -> tuple[tuple[tuple[ContactMethod, ...], Evaluator], ...]:
    known = tuple(dict.fromkeys(pack.holidays for pack in packs if pack.holidays)) or (None,)
    made = [
        (_ways(rule), evaluator)
        for pack in packs
        for rule in pack.rules
        for evaluator in _evaluators_of_rule(pack, rule, (pack.holidays,) if pack.holidays else known)
    ]
    evaluators = [evaluator for _, evaluator in made]
    return tuple((ways, _leaving(evaluator, evaluators)) for ways, evaluator in made)


def _ways(rule: schema.AnyRule) -> tuple[ContactMethod, ...]:
    match rule:
        case schema.VisitRule() | schema.CounterRule(unit="visit"):
            return ("visit",)
        case schema.SuspensionRule(holds=holds):
            return tuple(
                way for way in schema.WAYS if any(not stop.ways or way in stop.ways for stop in holds.values())
            )
        case (
            schema.HoursRule()
            | schema.CounterRule()
            | schema.CooldownRule()
            | schema.PriorNoticeRule()
            | schema.FollowUpNoticeRule()
        ):
            return rule.ways or schema.WAYS
        case schema.BlocksRule():
            return rule.ways or schema.WAYS
        case (
            schema.DutiesRule()
            | schema.RetentionRule()
            | schema.ThirdPartyRule()
            | schema.OptOutRule()
            | schema.ConductRule()
        ):
            return ()


def _evaluators_of_rule(
    pack: Pack, rule: schema.AnyRule, calendars: tuple[schema.Holidays | None, ...]
) -> Iterator[Evaluator]:
    since, until = rule.effective.since, rule.effective.until
    starts = midnight_utc(since) - FIRST_ZONE if since else None
    ends = midnight_utc(until + DAY) + LAST_ZONE if until else None
    match rule:
        case schema.HoursRule():
            yield HoursEvaluator(pack.id, rule, starts, ends, _open_hours(rule, calendars), _hours_said(rule))
        case schema.CounterRule():
            ways = frozenset(_ways(rule))
            yield CounterEvaluator(pack.id, rule, starts, ends, ways, lookback(rule.window), _counted_said(rule))
        case schema.CooldownRule():
            days = rule.days if rule.day_one == "counts" else rule.days + 1
            yield CooldownEvaluator(pack.id, rule, starts, ends, frozenset(_ways(rule)), local_days(days))
        case schema.VisitRule():
            yield VisitEvaluator(pack.id, rule, starts, ends)
        case schema.PriorNoticeRule():
            yield PriorNoticeEvaluator(pack.id, rule, starts, ends, calendars[0])
        case schema.FollowUpNoticeRule():
            yield FollowUpEvaluator(pack.id, rule, starts, ends)
        case schema.SuspensionRule():
            yield SuspensionEvaluator(pack.id, rule, starts, ends, _stops(rule), {})
        case schema.BlocksRule():
            yield BlocksEvaluator(pack.id, rule, starts, ends)
        case _:
            pass


def _open_hours(rule: schema.HoursRule, calendars: tuple[schema.Holidays | None, ...]) -> OpenHours:
    spans = {name: _spans(rule, name) for name in get_args(schema.DayClass)}
    return OpenHours({name: tuple(map(schema.minutes_of, one)) for name, one in spans.items()}, calendars)


def _spans(rule: schema.HoursRule, name: schema.DayClass) -> tuple[str, ...]:
    spans: schema.Spans = getattr(rule.windows, name)
    return () if spans == "none" else spans


def _hours_said(rule: schema.HoursRule) -> dict[schema.DayClass, Detail]:
    said: dict[schema.DayClass, Detail] = {}
    for name in get_args(schema.DayClass):
        spans = _spans(rule, name)
        en = f"only {', '.join(spans)} on a {name}, local time of the borrower" if spans else f"not on a {name}"
        zh = f"{CLASSES_ZH[name]}仅限借款人当地时间 {'、'.join(spans)}" if spans else f"{CLASSES_ZH[name]}不联系"
        said[name] = (en, zh)
    return said


def _counted_said(rule: schema.CounterRule) -> Detail:
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


def _things(rule: schema.CounterRule) -> Detail:
    ways = frozenset(_ways(rule))
    if ways == {"visit"}:
        return "visits", "上门"
    if ways == CALLS:
        return {
            "effective": ("effective calls", "有效通话"),
            "unanswered": ("unanswered calls", "未接通拨打"),
        }.get(rule.unit, ("calls", "拨打"))
    return ("messages", "发送消息") if ways <= MESSAGES else ("contacts", "联系")


def _when(window: schema.CountingWindow) -> Detail:
    if window.rolling_days is not None:
        return f"in {window.rolling_days} days", f"{window.rolling_days} 天内"
    if window.local_days is not None:
        return f"in {window.local_days} days with this one", f"含当日 {window.local_days} 天内"
    return {"week": ("this week", "本周"), "month": ("this month", "本月")}.get(
        window.calendar or "day", ("today", "当日")
    )


def _stops(rule: schema.SuspensionRule) -> dict[HoldKind, frozenset[ContactMethod]]:
    return {kind: frozenset(stop.ways or schema.WAYS) for kind, stop in rule.holds.items()}


def _leaving(evaluator: Evaluator, evaluators: list[Evaluator]) -> Evaluator:
    """A fallback with the rules it leaves each kind of hold to."""
    if not isinstance(evaluator, SuspensionEvaluator) or not evaluator.rule.fallback:
        return evaluator
    others = [
        one for one in evaluators if isinstance(one, SuspensionEvaluator) and one.refuses and not one.rule.fallback
    ]
    named = {kind: tuple(one for one in others if kind in one.stops) for kind in evaluator.stops}
    return replace(evaluator, elsewhere=named)
