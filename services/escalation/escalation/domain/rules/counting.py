"""Rules that count: at most so many in a window, and nothing for a while after a conversation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Literal

from doorstep.events.values import ContactMethod

from escalation.domain.case.contacts import LedgerEntry, about
from escalation.domain.rules import schema
from escalation.domain.rules.evaluator import EVER, Detail, Evaluator
from escalation.domain.rules.hours import DAY, Zones, midnight
from escalation.domain.rules.request import ContactRequest

CONVERSATION = frozenset({"answered", "completed"})


@dataclass(frozen=True, slots=True, eq=False)
class Lookback:
    """A counter's window. Rolling days are hours; otherwise `first` is the first local day that counts on a day, and
    `over` the first local day on which a day counts no longer. Where zones disagree, what counts anywhere counts."""

    rolling: timedelta | None = None
    first: Callable[[date], date] = lambda day: day
    over: Callable[[date], date] = lambda day: day + DAY

    @lru_cache(maxsize=65536)  # noqa: B019 - there is one per rule, made once
    def since(self, zones: Zones, at: datetime) -> datetime:
        """What is at or after this instant counts at `at`."""
        if self.rolling is not None:
            return at - self.rolling + timedelta(microseconds=1)
        return min(midnight(zone, self.first(at.astimezone(zone).date())) for zone in zones)

    @lru_cache(maxsize=65536)  # noqa: B019
    def release(self, zones: Zones, at: datetime) -> datetime:
        """The first instant at which a line of `at` counts no longer."""
        if self.rolling is not None:
            return at + self.rolling
        return max(midnight(zone, self.over(at.astimezone(zone).date())) for zone in zones)


def lookback(window: schema.CountingWindow) -> Lookback:
    """The window as a pack says it."""
    if window.rolling_days is not None:
        return Lookback(rolling=window.rolling_days * DAY)
    if window.local_days is not None:
        return local_days(window.local_days)
    match window.calendar:
        case "week":
            return Lookback(first=_monday, over=lambda day: _monday(day) + 7 * DAY)
        case "month":
            return Lookback(first=lambda day: day.replace(day=1), over=_next_month)
        case _:
            return local_days(1)


def local_days(number: int) -> Lookback:
    """So many whole days of the borrower's, the present one included."""
    return Lookback(first=lambda day: day - (number - 1) * DAY, over=lambda day: day + number * DAY)


@dataclass(frozen=True, slots=True, eq=False)
class CounterEvaluator(Evaluator):
    """At most `limit` in the window. The limit is reached until the last but `limit` drops out of it."""

    rule: schema.CounterRule
    ways: frozenset[ContactMethod]
    window: Lookback
    template: Detail

    def free_from(self, request: ContactRequest, at: datetime) -> datetime | None:
        return self._free(request, at, self._counted(request))

    def detail(self, request: ContactRequest) -> Detail:
        return self.word(request)[1]

    def word(self, request: ContactRequest) -> tuple[datetime | None, Detail]:
        counted = self._counted(request)
        return self._free(request, request.now, counted), self._said(request, counted)

    def _free(self, request: ContactRequest, at: datetime, counted: Sequence[datetime]) -> datetime:
        limit = self.rule.limit
        return at if len(counted) < limit else max(at, self.window.release(request.zones, sorted(counted)[-limit]))

    def _said(self, request: ContactRequest, counted: Sequence[datetime]) -> Detail:
        since = self.window.since(request.zones, request.now) if counted else EVER
        number = len([at for at in counted if at >= since])
        return self.template[0] % number, self.template[1] % number

    def _counted(self, request: ContactRequest) -> Sequence[datetime]:
        ways, unit, lines = self.ways, self.rule.unit, ledger(request, self.rule.scope)
        if unit in ("attempt", "visit"):
            return [line.at for line in lines if line.way in ways]
        spoken = unit == "effective"
        return [line.at for line in lines if line.way in ways and (line.outcome in CONVERSATION) == spoken]


@dataclass(frozen=True, slots=True, eq=False)
class CooldownEvaluator(Evaluator):
    """Nothing for some local days after a conversation."""

    rule: schema.CooldownRule
    ways: frozenset[ContactMethod]
    window: Lookback

    def free_from(self, request: ContactRequest, at: datetime) -> datetime | None:
        return self._free(request, at, self._last(request))

    def detail(self, request: ContactRequest) -> Detail:
        return self.word(request)[1]

    def word(self, request: ContactRequest) -> tuple[datetime | None, Detail]:
        last = self._last(request)
        return self._free(request, request.now, last), self._said(request, last)

    def _free(self, request: ContactRequest, at: datetime, last: datetime | None) -> datetime:
        return at if last is None else max(at, self.window.release(request.zones, last))

    def _said(self, request: ContactRequest, last: datetime | None) -> Detail:
        if last is None:
            return "no conversation yet", "尚未有过通话"
        on = last.astimezone(request.zones[0]).date()
        days = self.rule.days
        return f"{days} days after a conversation, the last on {on}", f"通话后 {days} 天内不再联系，最近一次通话为 {on}"

    def _last(self, request: ContactRequest) -> datetime | None:
        conversations = [
            line.answered_at or line.at
            for line in ledger(request, self.rule.scope)
            if line.outcome in CONVERSATION and line.way in self.ways
        ]
        return max(conversations, default=None)


def ledger(request: ContactRequest, scope: Literal["person", "debt", "number", "address"]) -> Sequence[LedgerEntry]:
    """The lines a rule of this scope counts."""
    match scope:
        case "number":
            return request.number
        case "address":
            return request.address
        case "debt":
            loans = request.loans
            return [line for line in request.person if line.loans == loans or about(line.loans, loans)]
        case _:
            return request.person


def _monday(day: date) -> date:
    return day - (day.isoweekday() - 1) * DAY


def _next_month(day: date) -> date:
    return (day.replace(day=28) + 4 * DAY).replace(day=1)
