"""What must hold whatever a jurisdiction says: verdicts on where the case and its tenant stand.

None of these is law, so each is the tenant's `policy`; but no pack and no override sets them aside.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache

from doorstep.events.escalation.permits import Purpose
from doorstep.events.values import Channel, ContactMethod, Verdict
from doorstep.locales.text import LOCALES
from doorstep.messaging.channels import CHANNELS

from escalation.domain.assessment.decision_context import DecisionContext
from escalation.domain.case.case import Case
from escalation.domain.rules.hours import midnight
from escalation.domain.rules.rules import zones_of
from escalation.domain.strategy.strategy import Step
from escalation.domain.tenant import EVERY_WAY

HOUSE = "Doorstep"
NOTICE: Channel = "sms"
"""How a visit is announced."""
OWED: tuple[Purpose, ...] = ("collection-notice", "validation-notice")
"""What a jurisdiction obliges the lender to tell, and by when; it asks for nothing."""


def verdicts(case: Case, context: DecisionContext, step: Step, now: datetime) -> Iterator[Verdict]:
    """Every guard's word on taking this `step` now. In shadow mode the strategy's pace is kept."""
    parked = sorted(f"{key} @ {by}" for by, key in case.holds.suspended)
    yield _verdict(
        "nothing-parked",
        not parked,
        (f"a message is parked: {', '.join(parked)}", f"有消息待人工处理：{'、'.join(parked)}")
        if parked
        else ("no message of the case is parked", "本案没有待人工处理的消息"),
    )
    pending = case.loans.payment_pending()
    yield _verdict(
        "no-payment-pending",
        not pending,
        ("a payment waits for the next snapshot", "有还款待下一份日终文件确认")
        if pending
        else ("no payment waits for a snapshot", "没有待确认的还款"),
    )
    if whole := [name for name, dispute in case.disputes.open().items() if not dispute.loans]:
        yield _disputed(whole)
    yield _promise(case, step, now)
    waiting = any(permit.open() for permit in case.contacts.ledger)
    yield _verdict(
        "one-permit-at-a-time",
        not waiting,
        ("the last permit is still out", "上一份许可尚未了结") if waiting else ("no permit is out", "没有未了结的许可"),
    )
    yield _fresh(case, context, now)
    yield _stopped(context, step.way)
    point = CHANNELS[NOTICE if step.way == "visit" else step.way].point
    if point not in case.borrower.contact_points:
        yield _verdict("contact-point-known", False, _said("no_contact_point", point))
    if first_contact(case):
        yield _ramp(context, now)
    if context.controls.shadow:
        yield _verdict(
            "shadow-mode",
            False,
            (
                "the tenant is in shadow mode: decided and recorded, not sent",
                "该租户处于影子模式：只决策和记录，不发送",
            ),
            now + step.every,
        )


def first_contact(case: Case) -> bool:
    """Whether nothing of this episode was permitted yet, or all of it was given back."""
    episode = case.lifecycle.episode
    return not any(permit.episode == episode and permit.counts() for permit in case.contacts.ledger)


def facts_age(case: Case, home: str, now: datetime) -> int:
    """Days from the bank's last business date to the borrower's present day."""
    return (
        now.astimezone(zones_of(case.borrower.time_zone, case.borrower.region, home)[0]).date()
        - case.loans.business_date()
    ).days


def _disputed(open_disputes: list[str]) -> Verdict:
    """Whatever a pack says of holds. Loans that are in dispute by themselves are left out of what is collected."""
    names = ", ".join(open_disputes)
    return _verdict("no-dispute-open", False, (f"in dispute: {names}", f"异议尚未了结：{names}"))


def _promise(case: Case, step: Step, now: datetime) -> Verdict:
    until = max((promise.check_at for promise in case.promises.running.values()), default=None)
    running = until is not None and now < until
    owed = running and step.purpose in OWED
    if owed:
        said = ("a notice the borrower is owed waits for no promise", "依规须告知借款人的通知不因还款承诺而推迟")
    elif running:
        said = ("a promise to pay is running", "还款承诺尚未到期")
    else:
        said = ("no promise is running", "没有未到期的还款承诺")
    return _verdict("no-promise-running", owed or not running, said, until)


def _fresh(case: Case, context: DecisionContext, now: datetime) -> Verdict:
    age, bound = facts_age(case, context.policy.terms.home, now), context.policy.terms.stale_after_days
    return _verdict(
        "facts-fresh",
        age <= bound,
        (f"the bank's last word is {age} days old, at most {bound}", f"银行最近的数据距今 {age} 天，上限 {bound} 天"),
    )


def _stopped(context: DecisionContext, way: ContactMethod) -> Verdict:
    stopped, way_zh = {way, EVERY_WAY} & set(context.controls.stopped), LOCALES["zh-CN"].word(way)
    return _verdict(
        "kill-switch",
        not stopped,
        (f"the tenant has stopped {'everything' if EVERY_WAY in stopped else way}",
         f"该租户已停用{'全部渠道' if EVERY_WAY in stopped else way_zh}")
        if stopped
        else (f"{way} is not stopped", f"{way_zh}未被停用"),
    )  # fmt: skip


def _ramp(context: DecisionContext, now: datetime) -> Verdict:
    controls = context.controls
    zone = zones_of(None, None, context.policy.terms.home)[0]
    today = now.astimezone(zone).date()
    tomorrow = midnight(zone, today + timedelta(days=1))
    firsts = controls.firsts_between(midnight(zone, today), tomorrow)
    limit, limit_zh = ("any number", "不限") if controls.ramp is None else (str(controls.ramp), str(controls.ramp))
    return _verdict(
        "ramp-limit",
        controls.ramp is None or firsts < controls.ramp,
        (f"{firsts} of {limit} first contacts today", f"当日首次联系 {firsts} 件，上限 {limit_zh}"),
        tomorrow,
    )


def _said(group: str, name: str) -> tuple[str, str]:
    return LOCALES["en"].text(group, name), LOCALES["zh-CN"].text(group, name)


@lru_cache(maxsize=4096)
def _verdict(rule: str, allowed: bool, detail: tuple[str, str], earliest_next: datetime | None = None) -> Verdict:
    return Verdict(
        rule=rule,
        allowed=allowed,
        status="policy",
        source=HOUSE,
        confidence="own",
        detail=detail[0],
        detail_zh=detail[1],
        earliest_next=None if allowed else earliest_next,
    )
