"""Rules that ask for a notice of each debt: before the first contact about it, or soon after."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from escalation.domain.rules import terms
from escalation.domain.rules.asked import Asked, Line
from escalation.domain.rules.calendars import business_day
from escalation.domain.rules.hours import DAY, midnight
from escalation.domain.rules.judge import EVER, Detail, Judge

GIVEN = frozenset({"sent", "delivered", "answered"})
"""What proves that a notice went out. `unknown` counts as sent against a cap, not in favour of a notice."""
ANY = ("",)
"""In place of debts that nobody named: one that every line is about."""
NOT_REACHED = frozenset({"failed", "undeliverable"})


@dataclass(frozen=True, slots=True, eq=False)
class PriorNoticeJudge(Judge):
    """First the notice of every debt, then so many business days, then contact."""

    rule: terms.PriorNotice
    calendar: terms.Holidays | None

    def free_from(self, asked: Asked, at: datetime) -> datetime | None:
        if is_notice(asked, self.rule):
            return at
        notices = first_given(asked, self.rule)
        return None if None in notices else max([at, *(self._free(asked, one) for one in notices if one is not None)])

    def detail(self, asked: Asked) -> Detail:
        days = self.rule.business_days
        if is_notice(asked, self.rule):
            return "this is the notice", "本次即为通知"
        notices = [one for one in first_given(asked, self.rule) if one is not None]
        if len(notices) < len(asked.loans or ANY):
            return f"no notice was given {days} business days before", f"尚未提前 {days} 个工作日通知"
        on = max(notices).astimezone(asked.zones[0]).date()
        return f"{days} business days after the notice of {on}", f"{on} 已通知，满 {days} 个工作日后方可联系"

    def _free(self, asked: Asked, notice: datetime) -> datetime:
        days = self.rule.business_days
        return max(
            midnight(zone, business_day(self.calendar, notice.astimezone(zone).date(), days)) for zone in asked.zones
        )


@dataclass(frozen=True, slots=True, eq=False)
class FollowUpJudge(Judge):
    """After the first contact about a debt nothing but the notice of it, until it was given."""

    rule: terms.FollowUpNotice

    def free_from(self, asked: Asked, at: datetime) -> datetime | None:
        free = is_notice(asked, self.rule) or not _unnoticed(asked, first_given(asked, self.rule))
        return at if free else None

    def detail(self, asked: Asked) -> Detail:
        return self.word(asked)[1]

    def word(self, asked: Asked) -> tuple[datetime | None, Detail]:
        if is_notice(asked, self.rule):
            return asked.now, ("this is the notice", "本次即为通知")
        given = first_given(asked, self.rule)
        unnoticed = _unnoticed(asked, given)
        return None if unnoticed else asked.now, self._said(asked, any(given), unnoticed)

    def _said(self, asked: Asked, given: bool, unnoticed: Sequence[datetime]) -> Detail:
        if not unnoticed:
            return ("the notice was given", "已通知") if given else ("this is the first contact", "本次为首次联系")
        due = min(unnoticed).astimezone(asked.zones[0]).date() + self.rule.within_days * DAY
        return f"the notice is due by {due}; nothing else goes before it", f"应于 {due} 前发出通知，此前不得作其他联系"


def is_notice(asked: Asked, rule: terms.PriorNotice | terms.FollowUpNotice) -> bool:
    """Whether what is asked about is the notice itself."""
    return asked.purpose == rule.purpose and asked.way in rule.given_on


def first_given(asked: Asked, rule: terms.PriorNotice | terms.FollowUpNotice) -> Sequence[datetime | None]:
    """When the notice of each debt was given first in this episode; None: not yet."""
    since, purpose, ways = asked.episode_at or EVER, rule.purpose, rule.given_on
    given = [line for line in asked.person if line.purpose == purpose and line.way in ways and line.at >= since]
    proved = [line for line in given if line.outcome in GIVEN]
    return [min((line.at for line in proved if _about(line, loan)), default=None) for loan in asked.loans or ANY]


def _unnoticed(asked: Asked, given: Sequence[datetime | None]) -> Sequence[datetime]:
    """The first contact about each debt of which no notice was given."""
    notices = zip(asked.loans or ANY, given, strict=True)
    contacts = [_contacts(asked, loan) for loan, notice in notices if notice is None]
    return [min(one) for one in contacts if one]


def _contacts(asked: Asked, loan: str) -> Sequence[datetime]:
    since = asked.episode_at or EVER
    lines = [line for line in asked.person if line.at >= since and line.outcome not in NOT_REACHED]
    return [line.at for line in lines if _about(line, loan)]


def _about(line: Line, loan: str) -> bool:
    return not line.loans or not loan or loan in line.loans
