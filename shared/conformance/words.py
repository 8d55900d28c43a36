"""Words for the reasons: those of closed sets in Chinese, hours and instants in both languages."""

from datetime import datetime, time

_ZH = {
    "sms": "短信",
    "voice": "电话",
    "email": "电子邮件",
    "push": "应用推送",
    "letter": "信函",
    "visit": "上门",
    "dispute": "债务异议",
    "complaint": "投诉",
    "hardship": "经济困难",
    "cease-contact": "要求停止联系",
    "wrong-number": "号码有误",
    "attorney": "由律师代理",
    "bereavement": "亲属去世",
    "disaster": "灾害",
    "vulnerability": "需要特别照顾",
    "family-event": "家庭事件",
    "legal hold": "法律保留",
    "parked message": "待人工处理的消息",
}


def zh(code: str) -> str:
    """A code in Chinese; itself, where it has no word."""
    return _ZH.get(code, code)


def hours_of(hours: tuple[time, time] | None) -> str:
    """Such as 08:00–22:00; empty for none."""
    return f"{hours[0]:%H:%M}–{hours[1]:%H:%M}" if hours else ""


def instant(at: datetime) -> str:
    """To the second, with its zone."""
    return f"{at:%Y-%m-%d %H:%M:%S %Z}"
