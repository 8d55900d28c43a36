"""Words for the closed sets that decisions speak in: (zh-CN, en). What is not in a set is shown as it is."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from doorstep.events.values import Language

INDEX: Mapping[Language, int] = {"zh-CN": 0, "en": 1}

ACTS: Mapping[str, tuple[str, str]] = {
    "sms": ("发送短信", "send an SMS"),
    "voice": ("拨打电话", "call"),
    "email": ("发送电子邮件", "send an e-mail"),
    "push": ("发送应用推送", "send a push message"),
    "letter": ("寄送信函", "send a letter"),
    "visit": ("上门", "visit"),
}
WAYS: Mapping[str, tuple[str, str]] = {
    "sms": ("短信", "SMS"),
    "voice": ("电话", "call"),
    "email": ("电子邮件", "e-mail"),
    "push": ("应用推送", "push message"),
    "letter": ("信函", "letter"),
    "visit": ("上门", "visit"),
}
PURPOSES: Mapping[str, tuple[str, str]] = {
    "reminder": ("提醒", "reminder"),
    "firm-reminder": ("严肃提醒", "firm reminder"),
    "promise-reminder": ("承诺到期提醒", "reminder of a promise"),
    "promise-broken": ("承诺未兑现提醒", "after a broken promise"),
    "collection-notice": ("催收通知", "notice of collection"),
    "validation-notice": ("债务确认通知", "validation notice"),
}
STAGES: Mapping[str, tuple[str, str]] = {
    "none": ("不属于任何阶段", "no stage"),
    "early": ("早期", "early stage"),
    "middle": ("中期", "middle stage"),
    "late": ("后期", "late stage"),
}
REASONS: Mapping[str, tuple[str, str]] = {
    "first-time": ("首次逾期", "overdue for the first time"),
    "promise-kept": ("曾兑现还款承诺", "has kept promises to pay"),
    "promise-partly-kept": ("曾部分兑现还款承诺", "has partly kept promises to pay"),
    "promise-broken": ("曾违背还款承诺", "has broken promises to pay"),
    "answers": ("会回应联系", "answers when contacted"),
    "silent": ("连续三次以上联系未获回应", "three contacts or more in a row went unanswered"),
    "visit-cooperative": ("上次上门时态度配合", "was cooperative at the last visit"),
    "visit-hostile": ("上次上门时态度抵触", "was not cooperative at the last visit"),
}
HOLDS: Mapping[str, tuple[str, str]] = {
    "dispute": ("债务异议", "dispute"),
    "complaint": ("投诉", "complaint"),
    "hardship": ("经济困难", "hardship"),
    "cease-contact": ("要求停止联系", "asked us to cease contact"),
    "wrong-number": ("号码有误", "wrong number"),
    "attorney": ("由律师代理", "represented by an attorney"),
    "bereavement": ("亲属离世", "bereavement"),
    "disaster": ("灾害", "disaster"),
    "vulnerability": ("弱势状况", "vulnerability"),
    "family-event": ("家庭重大事件", "family event"),
}
CONSENTS: Mapping[str, tuple[str, str]] = {
    "hours": ("同意在其他时段联系", "agreed to other hours"),
    "place": ("同意在其他地点联系", "agreed to another place"),
}
DUTIES: Mapping[str, tuple[str, str]] = {
    "show-identity": ("出示身份证件", "show identity"),
    "show-authorisation": ("出示授权文件", "show the authorisation"),
    "record-throughout": ("全程录音录像", "record throughout"),
    "no-entry-without-consent": ("未经同意不得入户", "enter with consent only"),
    "take-no-money": ("不得收取现金", "take no money"),
    "explain-purpose": ("说明来意", "explain the purpose"),
    "leave-when-asked": ("被要求离开时立即离开", "leave when asked"),
}
STANDING: Mapping[str, tuple[str, str]] = {
    "must": ("必须遵守", "binding"),
    "should": ("应当遵守", "ought to be followed, and is"),
    "policy": ("本机构自定政策，并非法律要求", "the tenant's own policy, not required by law"),
    "draft": ("草案，仅作提示，不作为法律依据", "a draft: it advises, and is not law"),
}
"""A verdict does not say whether its rule is a statute, a standard or self-regulation: none of them is called law."""
CONFIDENCE: Mapping[str, tuple[str, str]] = {
    "primary": ("已与原文核对", "checked against the original"),
    "secondary": ("依据二手资料", "from secondary sources"),
    "unverified": (
        "内容未经核实，出于谨慎执行，不作为法律依据",
        "its wording is not verified: kept as a precaution, and not called law",
    ),
    "own": ("", ""),
}


def word(words: Mapping[str, tuple[str, str]], name: str, language: Language) -> str:
    """A value of a closed set in words; itself where there is none."""
    return words[name][INDEX[language]] if name in words else name


def listed(parts: Iterable[str], language: Language) -> str:
    """One after the other."""
    return ("、", ", ")[INDEX[language]].join(parts)


def clock(at: datetime) -> str:
    """To the minute, with its offset from UTC, which names no country: `2026-03-01 08:00 UTC+8`."""
    sign, hours, minutes = f"{at:%z}"[0], int(f"{at:%z}"[1:3]), f"{at:%z}"[3:5]
    ahead = "" if hours == 0 and minutes == "00" else f"{sign}{hours}" + ("" if minutes == "00" else f":{minutes}")
    return f"{at:%Y-%m-%d %H:%M} UTC{ahead}"


def days(count: int, language: Language) -> str:
    """So many days."""
    return (f"{count} 天", f"{count} day{'' if count == 1 else 's'}")[INDEX[language]]
