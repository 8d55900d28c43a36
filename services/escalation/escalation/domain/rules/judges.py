"""Rules about hours, holds, blocks and the terms of a visit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from doorstep.events.escalation.holds import HoldKind
from doorstep.events.values import Way

from escalation.domain.rules import terms
from escalation.domain.rules.asked import Asked, HeldBy, about
from escalation.domain.rules.hours import (
    Block,
    OpenHours,
    Spans,
    Zones,
    blocked_on,
    next_open,
    next_unblocked,
    open_on,
)
from escalation.domain.rules.judge import NEVER, Detail, Judge

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
class HoursJudge(Judge):
    """Inside the hours of everywhere the borrower may be."""

    rule: terms.Hours
    hours: OpenHours
    details: dict[terms.DayClass, Detail]

    def free_from(self, asked: Asked, at: datetime) -> datetime | None:
        if self.exempt(asked) or self._agreed(asked, at):
            return at
        return next_open(self.hours, asked.zones, at)

    def detail(self, asked: Asked) -> Detail:
        return self.word(asked)[1]

    def word(self, asked: Asked) -> tuple[datetime | None, Detail]:
        if self.exempt(asked):
            return asked.now, (f"does not bind at {asked.dpd} days past due", f"逾期 {asked.dpd} 天，不受此限")
        if self._agreed(asked, asked.now):
            return asked.now, ("the borrower agreed to other hours", "借款人同意其他时间联系")
        today = asked.now.astimezone(asked.zones[0]).date()
        return next_open(self.hours, asked.zones, asked.now), self.details[self.hours.class_of(today)]

    def exempt(self, asked: Asked) -> bool:
        """Whether it does not protect this borrower."""
        return self.rule.exempt is not None and asked.dpd > self.rule.exempt.dpd_over

    def open_on(self, zones: Zones, day: date) -> Spans:
        """When it is open, inside the UTC day `day`."""
        return open_on(self.hours, zones, day)

    def agreed_until(self, asked: Asked) -> datetime | None:
        """The end of the consent to other hours; the end of time where it has none, None where there is no consent."""
        ends = [
            one.until or NEVER
            for one in asked.consents
            if one.kind == self.rule.consent and about(one.ways, (asked.way,))
        ]
        return max(ends, default=None)

    def _agreed(self, asked: Asked, at: datetime) -> bool:
        if not asked.consents:
            return False
        until = self.agreed_until(asked)
        return until is not None and at < until


@dataclass(frozen=True, slots=True, eq=False)
class VisitJudge(Judge):
    """It never refuses: it says what the permit will demand."""

    rule: terms.Visit

    def free_from(self, asked: Asked, at: datetime) -> datetime | None:
        return at

    def detail(self, asked: Asked) -> Detail:
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
class SuspensionJudge(Judge):
    """Not while a hold that the rule names is on. `elsewhere`: kinds left to these judges while they are in force."""

    rule: terms.Suspension
    stops: dict[HoldKind, frozenset[Way]]
    elsewhere: Mapping[HoldKind, Sequence[Judge]]

    def free_from(self, asked: Asked, at: datetime) -> datetime | None:
        if not asked.holds:
            return at
        free = at
        while on := self._on(asked, free):
            ends = [hold.until for hold in on if hold.until is not None]
            if len(ends) < len(on):
                return None
            free = max(ends)
        return free

    def detail(self, asked: Asked) -> Detail:
        kinds = dict.fromkeys(hold.kind for hold in self._on(asked, asked.now)) if asked.holds else ()
        if not kinds:
            return "no hold", "没有停止联系的情形"
        return f"hold: {', '.join(kinds)}", f"停止联系：{'、'.join(HOLDS_ZH[kind] for kind in kinds)}"

    def _on(self, asked: Asked, at: datetime) -> Sequence[HeldBy]:
        return [
            hold
            for hold in asked.holds
            if (hold.starts is None or hold.starts <= at)
            and (hold.until is None or at < hold.until)
            and about(hold.loans, asked.loans)
            and about(hold.ways, (asked.way,))
            and asked.way in self.stops.get(hold.kind, ())
            and not any(judge.in_force(at) for judge in self.elsewhere.get(hold.kind, ()))
        ]


@dataclass(frozen=True, slots=True, eq=False)
class BlocksJudge(Judge):
    """Not inside what the borrower called inconvenient."""

    rule: terms.Blocks

    def free_from(self, asked: Asked, at: datetime) -> datetime | None:
        blocks = self._blocks(asked)
        return next_unblocked(blocks, asked.zones, at) if blocks else at

    def detail(self, asked: Asked) -> Detail:
        number = len(self._blocks(asked))
        if not number:
            return "the borrower has blocked no hours or ways", "借款人没有设定不便的时段或方式"
        return f"{number} blocks of hours or ways by the borrower", f"借款人设定了 {number} 项不便的时段或方式"

    def blocked_on(self, asked: Asked, day: date) -> Spans:
        """What is blocked inside the UTC day `day`."""
        return blocked_on(self._blocks(asked), asked.zones, day)

    def _blocks(self, asked: Asked) -> Sequence[Block]:
        return [block for block in asked.blocks if about(block.ways, (asked.way,))]
