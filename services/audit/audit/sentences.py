"""Each event as one sentence a person understands, in zh-CN and en.

`{name}` in a template is a field of the event, or one of the figures of `_figures`. Values of closed
sets are put in words; money, dates and instants are written as `language` has them.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from doorstep.events import audit, escalation, kernel, reminder, visits
from doorstep.events.common import Decision, Language, Money, Sealed, Verdict
from doorstep.events.registry import Event
from doorstep.events.visits import Collector

from audit.domain import Gap, refusals
from audit.entry import Entry
from audit.words import ABSENT, ACTS, INDEX, PRESENT, word

SEALED = "«sealed»"

SENTENCES: Mapping[type[Event], tuple[str, str]] = {
    escalation.LoanOverdueRecorded: (
        "贷款 {loan_id} 逾期{days}：逾期金额 {amount_overdue}，剩余本金 {principal_outstanding}，自 {overdue_since} 起",
        "Loan {loan_id} is {days} overdue: {amount_overdue} due of {principal_outstanding}, since {overdue_since}",
    ),
    escalation.LoanCureRecorded: ("贷款 {loan_id} 已不再逾期", "Loan {loan_id} is no longer overdue"),
    escalation.PaymentRecorded: (
        "贷款 {loan_id} 收到还款 {amount}（还款日 {paid_on}）",
        "Payment of {amount} on loan {loan_id}, paid on {paid_on}",
    ),
    escalation.CaseOpened: ("案件开启（第 {episode} 次逾期）", "Case opened (episode {episode})"),
    escalation.CaseCured: (
        "案件恢复正常：不再有逾期贷款（第 {episode} 次逾期结束）",
        "Case cured: nothing is overdue any more (episode {episode} ends)",
    ),
    escalation.CaseAssessed: (
        "评估案件（逾期{days}）：不采取行动，{reason}",
        "Case assessed ({days} overdue): nothing to be done, {reason}",
    ),
    escalation.ContactPermitted: (
        "准许{act}（{purpose}）：逾期{days}，逾期金额 {amount}；当日此前已联系 {contacts_today} 次；"
        "有效期至 {valid_until}",
        "{channel} permitted ({purpose}): {days} overdue, {amount} overdue; {contacts} earlier that day; "
        "valid until {valid_until}",
    ),
    escalation.ContactDenied: (
        "不准{act}（逾期{days}，{amount_overdue}）：{refusal}；{earliest_next}",
        "{channel} denied ({days} overdue, {amount_overdue}): {refusal}; {earliest_next}",
    ),
    escalation.VisitPermitted: (
        "准许上门：逾期{days}，逾期金额 {amount}；至少 {minimum_staff} 人同行，提前 {notice_hours} 小时通知；"
        "有效期至 {valid_until}",
        "Visit permitted: {days} overdue, {amount} overdue; at least {minimum_staff} collectors together, "
        "notice {notice_hours} h ahead; valid until {valid_until}",
    ),
    escalation.VisitDenied: (
        "不准上门（逾期{days}，{amount_overdue}）：{refusal}；{earliest_next}",
        "Visit denied ({days} overdue, {amount_overdue}): {refusal}; {earliest_next}",
    ),
    escalation.PermitCancelled: ("撤回{kind}许可：{reason}", "Permit for a {kind} withdrawn: {reason}"),
    escalation.ContactOutcomeRecorded: (
        "联系台账：{channel}，{outcome}（{at}）",
        "Contact ledger: {channel} {outcome} at {at}",
    ),
    escalation.VisitOutcomeRecorded: (
        "上门台账：{outcome}（{at}）；还款意愿 {willingness}",
        "Visit ledger: {outcome} at {at}; willingness {willingness}",
    ),
    escalation.PromiseRecorded: (
        "借款人承诺于 {due} 前还款 {amount}",
        "Borrower promised to pay {amount} by {due}",
    ),
    escalation.PromiseBroken: ("还款承诺未兑现", "Promise to pay broken"),
    escalation.PromiseKept: ("还款承诺已兑现", "Promise to pay kept"),
    escalation.HoldPlaced: (
        "停止联系：{kind}，{until}",
        "Contact stopped: {kind}, {until}",
    ),
    escalation.HoldLifted: ("解除停止联系：{reason}", "Stop of contact lifted: {reason}"),
    escalation.SendingSuspended: (
        "暂停发送：{by} 有一条本案消息待人工处理",
        "Sending suspended: a message of this case waits for a person at {by}",
    ),
    escalation.SendingResumed: (
        "恢复发送：{by} 的待处理消息已处理",
        "Sending resumed: what waited at {by} is released",
    ),
    reminder.ContactScheduled: ("已安排{act}，不早于 {due}", "{channel} scheduled, not before {due}"),
    reminder.ContactStarted: (
        "开始{act}：模板 {template_id} 第 {template_version} 版；为此读取：{opened}",
        "{channel} begun with template {template_id} v{template_version}; opened for it: {opened}",
    ),
    reminder.ContactWithdrawn: (
        "撤回{channel}：{reason}；尚未发出的不再发出",
        "{channel} withdrawn: {reason}; what has not left yet does not leave",
    ),
    reminder.ContactSent: (
        "已{act}，服务商 {provider} 受理（编号 {provider_message_id}）",
        "{channel} sent: {provider} took it as {provider_message_id}",
    ),
    reminder.ContactNotSent: ("未{act}：{reason}", "{channel} not sent: {reason}"),
    reminder.ContactFailed: (
        "{act}失败：服务商 {provider} 拒绝（{reason}）",
        "{channel} failed: {provider} refused it ({reason})",
    ),
    reminder.ContactUnknown: (
        "{act}结果不明：服务商 {provider} 未答复；按已发送计，不再重发",
        "{channel} unknown: no answer from {provider}; counted as sent, never sent again",
    ),
    reminder.ReceiptRecorded: ("{channel}回执：{status}（{at}）", "Receipt for {channel}: {status} at {at}"),
    reminder.ReplyReceived: (
        "借款人回复：{kind}（{at}）{promise}",
        "Borrower replied: {kind} at {at}{promise}",
    ),
    visits.AgentRegistered: (
        "登记外访员 {agent_id}（{agency}），资质有效期至 {certified_until}",
        "Agent {agent_id} of {agency} registered, certified until {certified_until}",
    ),
    visits.VisitRequested: ("收到上门许可，待排期", "Visit requested, waiting for a plan"),
    visits.VisitPlanned: (
        "已安排上门：{collectors}，{starts} 至 {ends}",
        "Visit planned: {collectors}, {starts} to {ends}",
    ),
    visits.VisitUnplanned: (
        "无法安排上门：{reason}；{retry_at}",
        "Visit could not be planned: {reason}; {retry_at}",
    ),
    visits.NoticeStarted: (
        "开始以{channel}发送上门通知：模板 {template_id} 第 {template_version} 版；为此读取：{opened}",
        "Visit notice by {channel} begun with template {template_id} v{template_version}; opened for it: {opened}",
    ),
    visits.VisitNoticed: (
        "已以{channel}通知借款人上门事宜，服务商 {provider} 受理（编号 {provider_message_id}）",
        "Borrower noticed of the visit by {channel}: {provider} took it as {provider_message_id}",
    ),
    visits.NoticeFailed: (
        "上门通知{unknown}（{provider}：{reason}），不上门",
        "Visit notice {unknown} ({provider}: {reason}): the visit is not made",
    ),
    visits.VisitStarted: ("外访员 {agent_id} 到达（{at}）", "Agent {agent_id} is at the door at {at}"),
    visits.VisitCompleted: (
        "上门完成（{agent_id}，{at}）：态度{attitude}，还款意愿 {willingness}/100，困难原因：{cause}{promise}",
        "Visit completed by {agent_id} at {at}: attitude {attitude}, willingness {willingness} of 100, "
        "cause: {cause}{promise}",
    ),
    visits.VisitFailed: (
        "上门未能面谈（{agent_id}，{at}）：{reason}",
        "Visit by {agent_id} at {at} met nobody to talk to: {reason}",
    ),
    visits.VisitCancelled: ("取消上门：{reason}", "Visit cancelled: {reason}"),
    audit.PersonalDataOpened: (
        "{by}（{role}）查看了个人信息，理由：{reason}",
        "{by} ({role}) opened the personal data, because: {reason}",
    ),
    kernel.MessageParked: (
        "{origin_topic} 的一条消息（分区 {origin_partition}，位点 {origin_offset}）无法处理，待人工处理：{reason}",
        "A message of {origin_topic} (partition {origin_partition}, offset {origin_offset}) waits for a "
        "person: {reason}",
    ),
    kernel.MessageDiscarded: (
        "第 {parked_id} 号待处理消息被丢弃（{by}）：{reason}",
        "Waiting message {parked_id} was discarded by {by}: {reason}",
    ),
    kernel.MessageReleased: (
        "待处理消息{how}（{by}）{reason}",
        "What waited was {how} by {by}{reason}",
    ),
}


def sentence(entry: Entry, language: Language, zone: tzinfo = UTC) -> str:
    """What happened, in one sentence; instants in `zone`. An unknown type is shown raw."""
    template = SENTENCES.get(type(entry.event)) if entry.event is not None else None
    if entry.event is None or template is None:
        return raw(entry)
    return template[INDEX[language]].format_map(dict(_figures(entry.event, language, zone)))


def gap_sentence(gap: Gap, language: Language) -> str:
    """Which numbers are missing."""
    numbers = str(gap.first) if gap.first == gap.last else f"{gap.first}–{gap.last}"
    if language == "zh-CN":
        return f"缺失：{gap.stream} 的第 {numbers} 号事件尚未收到"
    if gap.first == gap.last:
        return f"Missing: event {numbers} of {gap.stream} has not arrived"
    return f"Missing: events {numbers} of {gap.stream} have not arrived"


def raw(entry: Entry) -> str:
    """The type and the data as they came, but for what is sealed."""
    try:
        data = json.dumps(_masked(msgspec.json.decode(entry.envelope.data)), ensure_ascii=False)
    except (ValueError, RecursionError):
        data = f"({len(entry.envelope.data)} bytes that cannot be shown)"
    return f"{entry.envelope.type} v{entry.envelope.schemaversion} {data}"


def _masked(value: Any) -> Any:
    match value:
        case {"key_id": _, "commitment": _, "box": _}:
            return SEALED
        case dict():
            return {name: _masked(one) for name, one in value.items()}
        case list():
            return [_masked(one) for one in value]
        case _:
            return value


def instant(moment: datetime, zone: tzinfo = UTC) -> str:
    """To the minute, with the zone as an offset from UTC, which names no country."""
    local = moment.astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M} {offset(local)}"


def offset(local: datetime) -> str:
    """`UTC`, `UTC+8`, `UTC+5:30`."""
    sign, hours, minutes = f"{local:%z}"[0], int(f"{local:%z}"[1:3]), f"{local:%z}"[3:5]
    if hours == 0 and minutes == "00":
        return "UTC"
    return f"UTC{sign}{hours}" + ("" if minutes == "00" else f":{minutes}")


def _figures(event: Event, language: Language, zone: tzinfo) -> Iterator[tuple[str, str]]:
    def write(name: str, value: Any) -> tuple[str, str]:
        return name, _write(name, value, language, zone)

    decision = getattr(event, "decision", None)
    if isinstance(decision, Decision):
        inputs = decision.inputs
        yield write("amount_overdue", inputs.amount_overdue)
        yield write("contacts_today", inputs.contacts_today)
        yield "contacts", _count(inputs.contacts_today, "contact", language)
        yield write("earliest_next", decision.earliest_next)
        yield "refusal", _refusal(decision, language)
        yield "days", _count(inputs.dpd, "day", language)
    if isinstance(event, escalation.LoanOverdueRecorded | escalation.CaseAssessed):
        yield "days", _count(event.dpd, "day", language)
    if isinstance(event, reminder.ReplyReceived | visits.VisitCompleted):
        yield "promise", _promise(event.promise_amount, event.promise_due, language)
    closed = _closed(type(event))
    for name in event.__struct_fields__:
        value = getattr(event, name)
        yield write(name, word(value, language) if name in closed else value)
    yield from _special(event, language)


def _special(event: Event, language: Language) -> Iterator[tuple[str, str]]:
    index = INDEX[language]
    channel = getattr(event, "channel", None)
    if channel is not None:
        yield "act", ACTS[channel][index]
        name = word(channel, language)
        yield "channel", name if _reads_on(event) else name[:1].upper() + name[1:]
    match event:
        case reminder.ContactStarted(opened=opened) | visits.NoticeStarted(opened=opened):
            yield "opened", ("、", ", ")[index].join(word(name, language) for name in opened) or "—"
        case visits.NoticeFailed(unknown=True):
            yield "unknown", ("结果不明", "has an unknown outcome")[index]
        case visits.NoticeFailed():
            yield "unknown", ("未发出", "failed")[index]
        case kernel.MessageReleased(reason=str() as reason):
            yield "reason", (f"：{reason}", f": {reason}")[index]


def _reads_on(event: Event) -> bool:
    """Whether the channel stands inside the English sentence, not at its head."""
    return not SENTENCES[type(event)][1].startswith("{channel}")


def _write(name: str, value: Any, language: Language, zone: tzinfo) -> str:
    if value is None:
        return ABSENT.get(name, ("—", "—"))[INDEX[language]]
    return PRESENT.get(name, ("{}", "{}"))[INDEX[language]].format(_text(value, language, zone))


def _text(value: Any, language: Language, zone: tzinfo) -> str:  # noqa: PLR0911
    match value:
        case Money():
            return value.text(language)
        case datetime():
            return instant(value, zone)
        case date():
            return value.isoformat()
        case Decimal():
            return f"{value:,f}"
        case Sealed():
            return SEALED
        case Collector():
            return f"{value.agent_id} ({value.agency})"
        case tuple():
            return ("、", ", ")[INDEX[language]].join(_text(one, language, zone) for one in value) or "—"
        case _:
            return str(value)


def _refusal(decision: Decision, language: Language) -> str:
    form, between, none = (
        ("{}（{}）", "；", "未注明规则"),
        ("{} ({})", "; ", "no rule is named"),
    )[INDEX[language]]
    return between.join(form.format(v.rule, detail(v, language)) for v in refusals(decision)) or none


def detail(verdict: Verdict, language: Language) -> str:
    """Why the rule said so, in `language`."""
    return verdict.detail_zh if language == "zh-CN" else verdict.detail


def _promise(amount: Decimal | None, due: date | None, language: Language) -> str:
    if due is None:
        return ""
    sum_promised = _write("amount", amount, language, UTC)
    return (f"；承诺于 {due} 前还款 {sum_promised}", f"; promised {sum_promised} by {due}")[INDEX[language]]


def _count(number: int, unit: Literal["day", "contact"], language: Language) -> str:
    if language == "zh-CN":
        return f" {number} " + {"day": "天", "contact": "次联系"}[unit]
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


@cache
def _closed(cls: type[Event]) -> frozenset[str]:
    hints: Mapping[str, Any] = get_type_hints(cls)
    return frozenset(name for name, hint in hints.items() if get_origin(hint) is Literal)


def closed_values(cls: type[Event]) -> frozenset[str]:
    """Every value of every closed set among the fields of `cls`: each needs a word."""
    hints: Mapping[str, Any] = get_type_hints(cls)
    return frozenset(value for name in _closed(cls) for value in get_args(hints[name]))
