"""Rules that ask for a notice of each debt: before the first contact about it, or soon after."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from escalation.domain.case.contacts import LedgerEntry
from escalation.domain.rules import schema
from escalation.domain.rules.calendars import business_day
from escalation.domain.rules.evaluator import EVER, Detail, Evaluator
from escalation.domain.rules.hours import DAY, midnight
from escalation.domain.rules.request import ContactRequest

GIVEN = frozenset({"sent", "delivered", "answered"})
"""What proves that a notice went out. `unknown` counts as sent against a cap, not in favour of a notice."""
ANY = ("",)
"""In place of debts that nobody named: one that every line is about."""
NOT_REACHED = frozenset({"failed", "undeliverable"})


@dataclass(frozen=True, slots=True, eq=False)
class PriorNoticeEvaluator(Evaluator):
    """First the notice of every debt, then so many business days, then contact."""

    rule: schema.PriorNoticeRule
    calendar: schema.Holidays | None

    def free_from(self, request: ContactRequest, at: datetime) -> datetime | None:
        if is_notice(request, self.rule):
            return at
        notices = first_given(request, self.rule)
        return None if None in notices else max([at, *(self._free(request, one) for one in notices if one is not None)])

    def detail(self, request: ContactRequest) -> Detail:
        days = self.rule.business_days
        if is_notice(request, self.rule):
            return "this is the notice", "本次即为通知"
        notices = [one for one in first_given(request, self.rule) if one is not None]
        if len(notices) < len(request.loans or ANY):
            return f"no notice was given {days} business days before", f"尚未提前 {days} 个工作日通知"
        on = max(notices).astimezone(request.zones[0]).date()
        return f"{days} business days after the notice of {on}", f"{on} 已通知，满 {days} 个工作日后方可联系"

    def _free(self, request: ContactRequest, notice: datetime) -> datetime:
        days = self.rule.business_days
        return max(
            midnight(zone, business_day(self.calendar, notice.astimezone(zone).date(), days)) for zone in request.zones
        )


@dataclass(frozen=True, slots=True, eq=False)
class FollowUpEvaluator(Evaluator):
    """After the first contact about a debt nothing but the notice of it, until it was given."""

    rule: schema.FollowUpNoticeRule

    def free_from(self, request: ContactRequest, at: datetime) -> datetime | None:
        free = is_notice(request, self.rule) or not _unnoticed(request, first_given(request, self.rule))
        return at if free else None

    def detail(self, request: ContactRequest) -> Detail:
        return self.word(request)[1]

    def word(self, request: ContactRequest) -> tuple[datetime | None, Detail]:
        if is_notice(request, self.rule):
            return request.now, ("this is the notice", "本次即为通知")
        given = first_given(request, self.rule)
        unnoticed = _unnoticed(request, given)
        return None if unnoticed else request.now, self._said(request, any(given), unnoticed)

    def _said(self, request: ContactRequest, given: bool, unnoticed: Sequence[datetime]) -> Detail:
        if not unnoticed:
            return ("the notice was given", "已通知") if given else ("this is the first contact", "本次为首次联系")
        due = min(unnoticed).astimezone(request.zones[0]).date() + self.rule.within_days * DAY
        return f"the notice is due by {due}; nothing else goes before it", f"应于 {due} 前发出通知，此前不得作其他联系"


def is_notice(request: ContactRequest, rule: schema.PriorNoticeRule | schema.FollowUpNoticeRule) -> bool:
    """Whether what is asked about is the notice itself."""
    return request.purpose == rule.purpose and request.way in rule.given_on


def first_given(
    request: ContactRequest, rule: schema.PriorNoticeRule | schema.FollowUpNoticeRule
) -> Sequence[datetime | None]:
    """When the notice of each debt was given first in this episode; None: not yet."""
    since, purpose, ways = request.episode_at or EVER, rule.purpose, rule.given_on
    given = [line for line in request.person if line.purpose == purpose and line.way in ways and line.at >= since]
    proved = [line for line in given if line.outcome in GIVEN]
    return [min((line.at for line in proved if _about(line, loan)), default=None) for loan in request.loans or ANY]


def _unnoticed(request: ContactRequest, given: Sequence[datetime | None]) -> Sequence[datetime]:
    """The first contact about each debt of which no notice was given."""
    notices = zip(request.loans or ANY, given, strict=True)
    contacts = [_contacts(request, loan) for loan, notice in notices if notice is None]
    return [min(one) for one in contacts if one]


def _contacts(request: ContactRequest, loan: str) -> Sequence[datetime]:
    since = request.episode_at or EVER
    lines = [line for line in request.person if line.at >= since and line.outcome not in NOT_REACHED]
    return [line.at for line in lines if _about(line, loan)]


def _about(line: LedgerEntry, loan: str) -> bool:
    return not line.loans or not loan or loan in line.loans
