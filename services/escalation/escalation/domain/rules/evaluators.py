"""Rules about hours, holds, blocks and the terms of a visit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from doorstep.events.escalation.holds import HoldKind
from doorstep.events.values import ContactMethod

from escalation.domain.case.contacts import about
from escalation.domain.case.holds import Hold
from escalation.domain.case.preferences import Block
from escalation.domain.rules import schema
from escalation.domain.rules.evaluator import NEVER, Detail, Evaluator
from escalation.domain.rules.hours import (
    OpenHours,
    Spans,
    Zones,
    blocked_on,
    next_open,
    next_unblocked,
    open_on,
)
from escalation.domain.rules.request import ContactRequest

HOLDS_ZH: dict[HoldKind, str] = {
    "dispute": "债务异议",
    "complaint": "投诉",
    "hardship": "经济困难",
    "cease-contact": "要求停止联系",
    "wrong-number": "号码有误",
    "attorney": "已委托律师",
    "bereavement": "亲属去世",
    "disaster": "受灾",
    "vulnerability": "脆弱客户",
    "family-event": "家庭大事",
}


@dataclass(frozen=True, slots=True, eq=False)
class HoursEvaluator(Evaluator):
    """Inside the hours of everywhere the borrower may be."""

    rule: schema.HoursRule
    hours: OpenHours
    details: dict[schema.DayClass, Detail]

    def free_from(self, request: ContactRequest, at: datetime) -> datetime | None:
        if self.exempt(request) or self._agreed(request, at):
            return at
        return next_open(self.hours, request.zones, at)

    def detail(self, request: ContactRequest) -> Detail:
        return self.word(request)[1]

    def word(self, request: ContactRequest) -> tuple[datetime | None, Detail]:
        if self.exempt(request):
            return request.now, (f"does not bind at {request.dpd} days past due", f"逾期 {request.dpd} 天，不受此限")
        if self._agreed(request, request.now):
            return request.now, ("the borrower agreed to other hours", "借款人同意其他时间联系")
        today = request.now.astimezone(request.zones[0]).date()
        return next_open(self.hours, request.zones, request.now), self.details[self.hours.class_of(today)]

    def exempt(self, request: ContactRequest) -> bool:
        """Whether it does not protect this borrower."""
        return self.rule.exempt is not None and request.dpd > self.rule.exempt.dpd_over

    def open_on(self, zones: Zones, day: date) -> Spans:
        """When it is open, inside the UTC day `day`."""
        return open_on(self.hours, zones, day)

    def agreed_until(self, request: ContactRequest) -> datetime | None:
        """The end of the consent to other hours; the end of time where it has none, None where there is no consent."""
        ends = [
            one.until or NEVER
            for one in request.consents
            if one.kind == self.rule.consent and about(one.ways, (request.way,))
        ]
        return max(ends, default=None)

    def _agreed(self, request: ContactRequest, at: datetime) -> bool:
        if not request.consents:
            return False
        until = self.agreed_until(request)
        return until is not None and at < until


@dataclass(frozen=True, slots=True, eq=False)
class VisitEvaluator(Evaluator):
    """It never refuses: it says what the permit will demand."""

    rule: schema.VisitRule

    def free_from(self, request: ContactRequest, at: datetime) -> datetime | None:
        return at

    def detail(self, request: ContactRequest) -> Detail:
        said: list[Detail] = []
        if self.rule.minimum_staff is not None:
            staff = self.rule.minimum_staff
            said.append((f"at least {staff} collectors together", f"至少 {staff} 名催收员同行"))
        if self.rule.notice_hours is not None:
            hours = self.rule.notice_hours
            said.append((f"notice {hours} hours before", f"提前 {hours} 小时通知"))
        en, zh = (list(part) for part in zip(*said, strict=True))
        return f"{', '.join(en)}; the permit says so", f"{'，'.join(zh)}；许可中已注明"


@dataclass(frozen=True, slots=True, eq=False)
class SuspensionEvaluator(Evaluator):
    """Not while a hold that the rule names is on. `elsewhere`: kinds left to these while they are in force."""

    rule: schema.SuspensionRule
    stops: dict[HoldKind, frozenset[ContactMethod]]
    elsewhere: Mapping[HoldKind, Sequence[Evaluator]]

    def free_from(self, request: ContactRequest, at: datetime) -> datetime | None:
        if not request.holds:
            return at
        free = at
        while on := self._on(request, free):
            ends = [hold.until for hold in on if hold.until is not None]
            if len(ends) < len(on):
                return None
            free = max(ends)
        return free

    def detail(self, request: ContactRequest) -> Detail:
        kinds = dict.fromkeys(hold.kind for hold in self._on(request, request.now)) if request.holds else ()
        if not kinds:
            return "no hold", "没有停止联系的情形"
        return f"hold: {', '.join(kinds)}", f"停止联系：{'、'.join(HOLDS_ZH[kind] for kind in kinds)}"

    def _on(self, request: ContactRequest, at: datetime) -> Sequence[Hold]:
        return [
            hold
            for hold in request.holds
            if hold.begun(at)
            and (hold.until is None or at < hold.until)
            and about(hold.loans, request.loans)
            and about(hold.ways, (request.way,))
            and request.way in self.stops.get(hold.kind, ())
            and not any(evaluator.in_force(at) for evaluator in self.elsewhere.get(hold.kind, ()))
        ]


@dataclass(frozen=True, slots=True, eq=False)
class BlocksEvaluator(Evaluator):
    """Not inside what the borrower called inconvenient."""

    rule: schema.BlocksRule

    def free_from(self, request: ContactRequest, at: datetime) -> datetime | None:
        blocks = self._blocks(request)
        return next_unblocked(blocks, request.zones, at) if blocks else at

    def detail(self, request: ContactRequest) -> Detail:
        number = len(self._blocks(request))
        if not number:
            return "the borrower has blocked no hours or ways", "借款人没有设定不便的时段或方式"
        return f"{number} blocks of hours or ways by the borrower", f"借款人设定了 {number} 项不便的时段或方式"

    def blocked_on(self, request: ContactRequest, day: date) -> Spans:
        """What is blocked inside the UTC day `day`."""
        return blocked_on(self._blocks(request), request.zones, day)

    def _blocks(self, request: ContactRequest) -> Sequence[Block]:
        return [block for block in request.blocks if about(block.ways, (request.way,))]
