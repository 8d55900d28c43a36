"""Each event as one sentence a person understands, in zh-CN and en.

`{name}` in a template is a field of the event, or one of the figures of `figures`. Values of closed
sets are put in words; money, dates and instants are written as `language` has them.
"""

import json
from collections.abc import Mapping
from datetime import UTC, tzinfo
from functools import cache
from string import Formatter
from typing import Any

import msgspec
from doorstep.events import audit, kernel, reminder, visits
from doorstep.events.escalation.cases import CaseAssessed, CaseAssigned, CaseCured, CaseOpened, CaseReevaluated
from doorstep.events.escalation.disputes import (
    DisputeAnswered,
    DisputeAttached,
    DisputeClosed,
    DisputeOpened,
    DisputeOverdue,
)
from doorstep.events.escalation.holds import HoldLifted, HoldPlaced, HoldRenewed, ReviewClosed, ReviewRequested
from doorstep.events.escalation.loans import (
    LoanCureRecorded,
    LoanOverdueRecorded,
    PaymentRecorded,
    PaymentReversalRecorded,
)
from doorstep.events.escalation.outcomes import ContactOutcomeRecorded, VisitOutcomeRecorded
from doorstep.events.escalation.overrides import OverrideApproved, OverrideRejected, OverrideRequested
from doorstep.events.escalation.permits import (
    ContactDenied,
    ContactPermitted,
    PermitCancelled,
    VisitDenied,
    VisitPermitted,
)
from doorstep.events.escalation.preferences import BlockRecorded, BlockRemoved, ConsentRecorded, ConsentWithdrawn
from doorstep.events.escalation.promises import PromiseBroken, PromiseKept, PromisePartlyKept, PromiseRecorded
from doorstep.events.escalation.tenants import RampSet, ShadowSet
from doorstep.events.kernel import SendingAllowed, SendingResumed, SendingStopped, SendingSuspended
from doorstep.events.registry import Event
from doorstep.events.values import Language

from audit.presentation.formatting import SEALED, figures
from audit.presentation.words import INDEX
from audit.store.entry import Entry
from audit.timeline.domain import Gap

SENTENCES: Mapping[type[Event], tuple[str, str]] = {
    LoanOverdueRecorded: (
        "贷款 {loan_id} 逾期{days}：逾期金额 {amount_overdue}，剩余本金 {principal_outstanding}，自 {overdue_since} 起",
        "Loan {loan_id} is {days} overdue: {amount_overdue} due of {principal_outstanding}, since {overdue_since}",
    ),
    LoanCureRecorded: ("贷款 {loan_id} 已不再逾期", "Loan {loan_id} is no longer overdue"),
    PaymentRecorded: (
        "贷款 {loan_id} 收到还款 {amount}（还款日 {paid_on}）",
        "Payment of {amount} on loan {loan_id}, paid on {paid_on}",
    ),
    PaymentReversalRecorded: (
        "贷款 {loan_id} 的还款 {payment_id} 于 {reversed_on} 被撤销，视为未发生",
        "Payment {payment_id} on loan {loan_id} was reversed on {reversed_on}: it counts as never made",
    ),
    CaseOpened: (
        "案件开启（第 {episode} 次逾期）{after}",
        "Case opened (episode {episode}){after}",
    ),
    CaseCured: (
        "案件恢复正常：不再有逾期贷款（第 {episode} 次逾期结束）",
        "Case cured: nothing is overdue any more (episode {episode} ends)",
    ),
    CaseAssessed: (
        "评估案件（逾期{days}）：不采取行动，{reason}",
        "Case assessed ({days} overdue): nothing to be done, {reason}",
    ),
    CaseReevaluated: (
        "重新评估：{cause}，影响自 {effective} 起；{changes}；{decided}",
        "Case looked at again: {cause}, from {effective} on; {changes}; {decided}",
    ),
    CaseAssigned: ("案件交由{agency}处理：{reason}", "Case assigned to {agency}: {reason}"),
    ContactPermitted: (
        "准许{act}（{purpose}）：逾期{days}，逾期金额 {amount}；当日此前已联系 {contacts_today} 次；"
        "有效期至 {valid_until}",
        "{channel} permitted ({purpose}): {days} overdue, {amount} overdue; {contacts} earlier that day; "
        "valid until {valid_until}",
    ),
    ContactDenied: (
        "不准{act}（逾期{days}，{amount_overdue}）：{refusal}；{earliest_next}",
        "{channel} denied ({days} overdue, {amount_overdue}): {refusal}; {earliest_next}",
    ),
    VisitPermitted: (
        "准许上门：逾期{days}，逾期金额 {amount}；至少 {minimum_staff} 人同行，提前 {notice_hours} 小时通知；"
        "有效期至 {valid_until}{duties}",
        "Visit permitted: {days} overdue, {amount} overdue; at least {minimum_staff} collectors together, "
        "notice {notice_hours} h ahead; valid until {valid_until}{duties}",
    ),
    VisitDenied: (
        "不准上门（逾期{days}，{amount_overdue}）：{refusal}；{earliest_next}",
        "Visit denied ({days} overdue, {amount_overdue}): {refusal}; {earliest_next}",
    ),
    PermitCancelled: ("撤回{kind}许可：{reason}", "Permit for a {kind} withdrawn: {reason}"),
    ContactOutcomeRecorded: (
        "联系台账：{channel}，{outcome}（{at}）",
        "Contact ledger: {channel} {outcome} at {at}",
    ),
    VisitOutcomeRecorded: (
        "上门台账：{outcome}（{at}）；还款意愿 {willingness}",
        "Visit ledger: {outcome} at {at}; willingness {willingness}",
    ),
    PromiseRecorded: (
        "借款人承诺于 {due} 前还款 {amount}",
        "Borrower promised to pay {amount} by {due}",
    ),
    PromiseBroken: ("还款承诺未兑现", "Promise to pay broken"),
    PromiseKept: ("还款承诺已兑现", "Promise to pay kept"),
    PromisePartlyKept: (
        "还款承诺部分兑现：到账 {paid}，低于承诺金额",
        "Promise to pay kept in part: {paid} came in, less than was promised",
    ),
    HoldPlaced: (
        "停止联系：{kind}{scope}，{begins}{until}{why}",
        "Contact stopped: {kind}{scope}, {begins}{until}{why}",
    ),
    HoldRenewed: ("延长停止联系：{until}；{reason}", "Stop of contact renewed: {until}; {reason}"),
    HoldLifted: ("解除停止联系：{reason}", "Stop of contact lifted: {reason}"),
    ReviewRequested: (
        "转人工审核：{about}；审核结束前停止联系",
        "Review asked of a person: {about}; contact stays stopped until it is closed",
    ),
    ReviewClosed: ("人工审核结束：{outcome}；{reason}", "Review closed: {outcome}; {reason}"),
    DisputeOpened: (
        "{opened_by} 提出异议：{about}{loans}；须于 {answer_by} 前答复，于 {close_by} 前了结，其间停止联系",
        "Dispute opened by {opened_by}: {about}{loans}; to be answered before {answer_by} and closed before "
        "{close_by}, contact stops meanwhile",
    ),
    DisputeAttached: (
        "{by} 为异议添加材料：{media_type}，{size} 字节{lies}",
        "{by} attached to the dispute: {media_type}, {size} bytes{lies}",
    ),
    DisputeAnswered: ("{by} 已就异议答复借款人{late}", "{by} answered the dispute{late}"),
    DisputeOverdue: (
        "异议逾期未{deadline}：应于 {was_due} 前完成",
        "A deadline of the dispute has passed: to {deadline} it was due by {was_due}",
    ),
    DisputeClosed: (
        "异议了结（{by}）：{outcome}{late}；{reason}",
        "Dispute closed by {by}: {outcome}{late}; {reason}",
    ),
    ConsentRecorded: (
        "借款人同意{kind}（{ways}），{until}",
        "Borrower agreed to {kind} ({ways}), {until}",
    ),
    ConsentWithdrawn: ("借款人收回此前的同意", "Borrower took a consent back"),
    BlockRecorded: (
        "借款人表示不便联系：{hours}（{ways}）",
        "Borrower called it inconvenient: {hours} ({ways})",
    ),
    BlockRemoved: ("借款人表示此前不便联系的时间现已方便", "What was inconvenient is convenient again"),
    OverrideRequested: (
        "{by} 请求改为{act}：{reason}；待第二人同意",
        "{by} wants another step, {act}: {reason}; waits for a second person",
    ),
    OverrideApproved: (
        "{by} 作为第二人同意人工指定的步骤，规则照常审查",
        "{by} agreed, as the second person, to the step chosen by hand; the rules are asked all the same",
    ),
    OverrideRejected: (
        "人工指定的步骤未获同意（{by}）：{reason}",
        "The step chosen by hand was not agreed to by {by}: {reason}",
    ),
    ShadowSet: (
        "影子模式{state}：{reason}",
        "Shadow mode {state}: {reason}",
    ),
    RampSet: (
        "每日首次联系上限：{first_contacts_a_day}；{reason}",
        "First contacts a day: {first_contacts_a_day}; {reason}",
    ),
    SendingStopped: ("停用{way}：{reason}", "Sending stopped on {way}: {reason}"),
    SendingAllowed: ("恢复{way}：{reason}", "Sending allowed again on {way}: {reason}"),
    SendingSuspended: (
        "暂停发送：{by} 有一条本案消息待人工处理",
        "Sending suspended: a message of this case waits for a person at {by}",
    ),
    SendingResumed: (
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
    audit.ViolationFound: (
        "合规监督发现违规（{breach}），发生于 {at}",
        "Violation found ({breach}), at {at}",
    ),
    audit.CheckpointSigned: (
        "日志 {origin} 的检查点已签名：共 {size} 条记录",
        "Checkpoint of the log {origin} signed: {size} entries",
    ),
    audit.EvidenceExported: (
        "{by}（{role}）导出了证据包：本案 {entries} 条记录，取自日志前 {log_size} 条；理由：{reason}",
        "{by} ({role}) exported the evidence: {entries} entries of the case, among the first {log_size} of the log; "
        "because: {reason}",
    ),
    audit.LegalHoldPlaced: (
        "{by} 设置法律保留 {hold_id}：解除前不得抹除；{reason}",
        "{by} placed legal hold {hold_id}: nothing is erased until it is lifted; {reason}",
    ),
    audit.LegalHoldLifted: (
        "{by} 解除法律保留 {hold_id}：{reason}",
        "{by} lifted legal hold {hold_id}: {reason}",
    ),
    audit.ErasureOrdered: (
        "{by} 下令抹除借款人{early}（{ground}）：{reason}",
        "{by} ordered the borrower to be erased{early} ({ground}): {reason}",
    ),
    audit.ErasureCompleted: (
        "借款人已抹除：密钥已销毁，其个人信息从此无人能读",
        "Borrower erased: the key is destroyed, nobody can read the personal data any more",
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
    kernel.ArtifactPublished: (
        "存证：{kind} {name}{version}，SHA-256 {hash}{kept}",
        "On record: {kind} {name}{version}, SHA-256 {hash}{kept}",
    ),
}


def sentence(entry: Entry, language: Language, zone: tzinfo = UTC) -> str:
    """What happened, in one sentence; instants in `zone`. An unknown type is shown raw."""
    templates = SENTENCES.get(type(entry.event)) if entry.event is not None else None
    if entry.event is None or templates is None:
        return raw(entry)
    template = templates[INDEX[language]]
    said = template.format_map(figures(entry.event, language, zone, _holes(template)))
    # At the head of an English sentence the channel has a capital.
    return said[:1].upper() + said[1:] if template.startswith("{channel}") else said


@cache
def _holes(template: str) -> tuple[str, ...]:
    return tuple(name for _, name, _, _ in Formatter().parse(template) if name)


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
