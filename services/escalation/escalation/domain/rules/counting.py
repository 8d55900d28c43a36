"""Rules that count: at most so many in a window, and nothing for a while after a conversation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Literal

from doorstep.events.values import Way

from escalation.domain.rules import terms
from escalation.domain.rules.asked import Asked, Line, about
from escalation.domain.rules.hours import DAY, Zones, midnight
from escalation.domain.rules.judge import EVER, Detail, Judge

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


def lookback(window: terms.Window) -> Lookback:
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
class CounterJudge(Judge):
    """At most `limit` in the window. The limit is reached until the last but `limit` drops out of it."""

    rule: terms.Counter
    ways: frozenset[Way]
    window: Lookback
    template: Detail

    def free_from(self, asked: Asked, at: datetime) -> datetime | None:
        return self._free(asked, at, self._counted(asked))

    def detail(self, asked: Asked) -> Detail:
        return self.word(asked)[1]

    def word(self, asked: Asked) -> tuple[datetime | None, Detail]:
        counted = self._counted(asked)
        return self._free(asked, asked.now, counted), self._said(asked, counted)

    def _free(self, asked: Asked, at: datetime, counted: Sequence[datetime]) -> datetime:
        limit = self.rule.limit
        return at if len(counted) < limit else max(at, self.window.release(asked.zones, sorted(counted)[-limit]))

    def _said(self, asked: Asked, counted: Sequence[datetime]) -> Detail:
        since = self.window.since(asked.zones, asked.now) if counted else EVER
        number = len([at for at in counted if at >= since])
        return self.template[0] % number, self.template[1] % number

    def _counted(self, asked: Asked) -> Sequence[datetime]:
        ways, unit, lines = self.ways, self.rule.unit, ledger(asked, self.rule.scope)
        if unit in ("attempt", "visit"):
            return [line.at for line in lines if line.way in ways]
        spoken = unit == "effective"
        return [line.at for line in lines if line.way in ways and (line.outcome in CONVERSATION) == spoken]


@dataclass(frozen=True, slots=True, eq=False)
class CooldownJudge(Judge):
    """Nothing for some local days after a conversation."""

    rule: terms.Cooldown
    ways: frozenset[Way]
    window: Lookback

    def free_from(self, asked: Asked, at: datetime) -> datetime | None:
        return self._free(asked, at, self._last(asked))

    def detail(self, asked: Asked) -> Detail:
        return self.word(asked)[1]

    def word(self, asked: Asked) -> tuple[datetime | None, Detail]:
        last = self._last(asked)
        return self._free(asked, asked.now, last), self._said(asked, last)

    def _free(self, asked: Asked, at: datetime, last: datetime | None) -> datetime:
        return at if last is None else max(at, self.window.release(asked.zones, last))

    def _said(self, asked: Asked, last: datetime | None) -> Detail:
        if last is None:
            return "no conversation yet", "尚未有过通话"
        on = last.astimezone(asked.zones[0]).date()
        days = self.rule.days
        return f"{days} days after a conversation, the last on {on}", f"通话后 {days} 天内不再联系，最近一次通话为 {on}"

    def _last(self, asked: Asked) -> datetime | None:
        conversations = [
            line.answered_at or line.at
            for line in ledger(asked, self.rule.scope)
            if line.outcome in CONVERSATION and line.way in self.ways
        ]
        return max(conversations, default=None)


def ledger(asked: Asked, scope: Literal["person", "debt", "number", "address"]) -> Sequence[Line]:
    """The lines a rule of this scope counts."""
    match scope:
        case "number":
            return asked.number
        case "address":
            return asked.address
        case "debt":
            loans = asked.loans
            return [line for line in asked.person if line.loans == loans or about(line.loans, loans)]
        case _:
            return asked.person


def _monday(day: date) -> date:
    return day - (day.isoweekday() - 1) * DAY


def _next_month(day: date) -> date:
    return (day.replace(day=28) + 4 * DAY).replace(day=1)
