"""Words for the closed sets that events and pages speak in: (zh-CN, en)."""

from collections.abc import Mapping

from doorstep.events.common import Language

INDEX: Mapping[Language, int] = {"zh-CN": 0, "en": 1}

WORDS: Mapping[str, tuple[str, str]] = {
    "sms": ("短信", "SMS"),
    "voice": ("语音电话", "voice call"),
    "email": ("电子邮件", "e-mail"),
    "push": ("应用推送", "push message"),
    "letter": ("信函", "letter"),
    "zh-CN": ("中文", "Chinese"),
    "en": ("英文", "English"),
    "reminder": ("提醒", "reminder"),
    "firm-reminder": ("严肃提醒", "firm reminder"),
    "promise-reminder": ("承诺到期提醒", "reminder of a promise"),
    "promise-broken": ("承诺未兑现提醒", "after a broken promise"),
    "contact": ("联系", "contact"),
    "visit": ("上门", "visit"),
    "payment": ("已收到还款", "a payment came"),
    "cure": ("已不再逾期", "nothing is overdue any more"),
    "hold": ("停止联系期间", "a hold was placed"),
    "suspended": ("发送已暂停", "sending is suspended"),
    "cancelled": ("许可已撤回", "the permit was withdrawn"),
    "expired": ("许可已过期", "the permit ran out"),
    "no-plan": ("无法排期", "no plan keeps every rule"),
    "no-notice": ("未能提前通知", "no advance notice went out"),
    "not-started": ("未按时开始", "it did not begin in time"),
    "not-due": ("尚未到下一步的时间", "the next step is not due yet"),
    "same-denial": ("与上次不准的理由相同", "denied for the same reason as before"),
    "nothing-owed": ("没有逾期金额", "nothing is owed"),
    "closed": ("案件未处于逾期中", "the case is not open"),
    "sent": ("已发送", "sent"),
    "not-sent": ("未发送", "not sent"),
    "failed": ("失败", "failed"),
    "unknown": ("结果不明", "unknown"),
    "delivered": ("已送达", "delivered"),
    "answered": ("已回应", "answered"),
    "no-answer": ("无人接听", "not answered"),
    "undeliverable": ("无法送达", "undeliverable"),
    "noticed": ("已通知", "noticed"),
    "started": ("已开始", "started"),
    "completed": ("已完成", "completed"),
    "not-made": ("未成行", "not made"),
    "dispute": ("债务异议", "dispute"),
    "complaint": ("投诉", "complaint"),
    "hardship": ("经济困难", "hardship"),
    "cease-contact": ("要求停止联系", "asked us to cease contact"),
    "opt-out": ("退订", "opt-out"),
    "wrong-number": ("号码有误", "wrong number"),
    "promise": ("承诺还款", "promise to pay"),
    "other": ("其他", "other"),
    "cooperative": ("配合", "cooperative"),
    "neutral": ("一般", "neutral"),
    "hostile": ("抵触", "hostile"),
    "forgot": ("忘记还款", "forgot"),
    "cash-flow": ("资金周转", "cash flow"),
    "unemployment": ("失业", "unemployment"),
    "illness": ("疾病", "illness"),
    "nobody-home": ("无人在家", "nobody home"),
    "refused": ("借款人拒绝", "the borrower refused"),
    "wrong-address": ("地址有误", "wrong address"),
    "unsafe": ("不安全", "unsafe"),
    "name": ("姓名", "name"),
    "phone": ("电话", "phone"),
    "address": ("地址", "address"),
    "replayed": ("已重放", "replayed"),
    "discarded": ("已丢弃", "discarded"),
}
ACTS: Mapping[str, tuple[str, str]] = {
    "sms": ("发送短信", "SMS"),
    "voice": ("拨打语音电话", "voice call"),
    "email": ("发送电子邮件", "e-mail"),
    "push": ("发送应用推送", "push message"),
    "letter": ("寄送信函", "letter"),
}
ABSENT: Mapping[str, tuple[str, str]] = {
    "amount": ("全部逾期金额", "all that is overdue"),
    "until": ("直至解除", "until it is lifted"),
    "retry_at": ("不再重试", "not tried again"),
    "earliest_next": ("情况变化前不得再次尝试", "not again until something changes"),
    "reason": ("", ""),
    "willingness": ("未知", "not known"),
}
PRESENT: Mapping[str, tuple[str, str]] = {
    "until": ("至 {}", "until {}"),
    "retry_at": ("{} 再试", "tried again at {}"),
    "earliest_next": ("最早可于 {} 再次尝试", "may be tried again from {}"),
}


def word(name: str, language: Language) -> str:
    """A value of a closed set in words; itself where there is none."""
    return WORDS[name][INDEX[language]] if name in WORDS else name
