"""China's contact rules and the tenant's own policy, as verdicts.

A rule of law or of a standard is `must` or `should` and cites its source; what no source gives is the
tenant's `policy` and is never called law. Every rule is asked every time, so that a verdict is recorded
also where another rule had refused already.
"""

import hashlib
import inspect
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from babel.core import get_global
from doorstep.events.common import Verdict, Windows

PACK, PACK_VERSION = "cn", "1"
OPENS, CLOSES = time(8), time(22)
EFFECTIVE_CALLS_A_DAY = 3
UNANSWERED_DIALS_A_DAY = 6
MESSAGES_A_DAY = 1
CONTACTS_A_WEEK = 3
WEEK = timedelta(days=7)
VISIT_MINIMUM_STAFF = 2
VISIT_NOTICE_HOURS = 24
VISIT_EVERY = timedelta(days=30)
GBT = "GB/T 45251-2025"
CBA = "China Banking Association guideline, 2026-01-30 (trial)"
HOUSE = "tenant policy"
HOLDS_ZH = {
    "dispute": "债务异议",
    "complaint": "投诉",
    "hardship": "经济困难",
    "cease-contact": "要求停止联系",
    "wrong-number": "号码有误",
}


@dataclass(frozen=True)
class Past:
    """One line of the ledger: what may have reached the borrower, on a channel or by a `visit`. `answered`
    means a conversation took place; `open` that its executor may still act."""

    channel: str
    at: datetime
    answered: bool
    open: bool


@dataclass(frozen=True)
class Asked:
    """What the rules are asked about: a contact on `channel`, or a `visit`. `hold_until` is when the last of
    the `holds` ends by itself, `promise_until` when the last running promise is due with its grace."""

    channel: str
    now: datetime
    zones: Sequence[ZoneInfo]
    ledger: Sequence[Past] = ()
    last_visit: datetime | None = None
    holds: Sequence[str] = ()
    hold_until: datetime | None = None
    parked: Sequence[str] = ()
    payment_pending: bool = False
    promise_until: datetime | None = None


@lru_cache(maxsize=1)
def pack_hash() -> str:
    """SHA-256 of these rules as they are written."""
    return hashlib.sha256(inspect.getsource(sys.modules[__name__]).encode()).hexdigest()


def zones_of(time_zone: str | None, region: str | None) -> Sequence[ZoneInfo]:
    """Where the borrower may be: the known zone, else every zone of the region's country (China's, where that
    is unknown too). A rule about local time must hold in all of them."""
    if time_zone is not None:
        return (ZoneInfo(time_zone),)
    zones = get_global("territory_zones")
    return tuple(ZoneInfo(name) for name in zones.get((region or "CN")[:2], zones["CN"]))


def windows(zones: Sequence[ZoneInfo], first: datetime, last: datetime | None = None) -> Windows:
    """The hours allowed in every one of `zones` from `first` to `last`, told in the clock of the first zone.
    Where the zones have no hour in common it closes as it opens."""
    ahead = [_ahead(zone, zones[0], at) for at in (first, last or first) for zone in zones]
    opens = _hour(OPENS) - min(ahead)
    closes = _hour(CLOSES) - max(ahead)
    return Windows(opens=_clock(min(opens, closes)), closes=_clock(closes), time_zone=str(zones[0]))


def next_opening(now: datetime, zones: Sequence[ZoneInfo]) -> datetime | None:
    """`now` where it is allowed in all `zones`, else the first instant that is; None when no hour ever is."""
    home = zones[0]
    today = now.astimezone(home).date()
    for day in (today, today + timedelta(days=1)):
        hours = windows(zones, datetime.combine(day, time(12), home))
        opens, closes = (datetime.combine(day, clock, home).astimezone(UTC) for clock in (hours.opens, hours.closes))
        if now < closes and opens < closes:
            return max(now, opens)
    return None


def contact_verdicts(asked: Asked) -> Sequence[Verdict]:
    """Every rule's word on one contact."""
    return [*_common(asked), *(_calls(asked) if asked.channel == "voice" else _messages(asked))]


def visit_verdicts(asked: Asked) -> Sequence[Verdict]:
    """Every rule's word on one visit."""
    again = asked.last_visit + VISIT_EVERY if asked.last_visit else None
    days = VISIT_EVERY.days
    return [
        *_common(asked),
        _verdict(
            "visit-spacing",
            again is None or asked.now >= again,
            (f"at most one visit in {days} days", f"{days} 天内最多上门一次"),
            earliest_next=again,
        ),
        _verdict(
            "visit-staff",
            True,
            (
                f"at least {VISIT_MINIMUM_STAFF} collectors together; the permit says so",
                f"至少 {VISIT_MINIMUM_STAFF} 名催收员同行；许可中已注明",
            ),
            status="must",
            source=f"{CBA}, Art. 22",
        ),
    ]


def _common(asked: Asked) -> Iterable[Verdict]:
    opening = next_opening(asked.now, asked.zones)
    yield _verdict(
        "quiet-hours",
        opening == asked.now,
        ("no collection 22:00-08:00, local time of the borrower", "借款人当地时间 22:00 至次日 08:00 不得催收"),
        status="must",
        source=f"{GBT}; {CBA}",
        earliest_next=opening,
    )
    yield _verdict(
        "no-hold",
        not asked.holds,
        (f"hold: {', '.join(asked.holds)}", f"停止联系：{'、'.join(HOLDS_ZH[kind] for kind in asked.holds)}")
        if asked.holds
        else ("no hold", "没有停止联系的情形"),
        earliest_next=asked.hold_until,
    )
    yield _verdict(
        "nothing-parked",
        not asked.parked,
        (f"a message is parked: {', '.join(asked.parked)}", f"有消息待人工处理：{'、'.join(asked.parked)}")
        if asked.parked
        else ("no message of the case is parked", "本案没有待人工处理的消息"),
    )
    yield _verdict(
        "no-payment-pending",
        not asked.payment_pending,
        ("a payment waits for the next snapshot", "有还款待下一份日终文件确认")
        if asked.payment_pending
        else ("no payment waits for a snapshot", "没有待确认的还款"),
    )
    running = asked.promise_until is not None and asked.now < asked.promise_until
    yield _verdict(
        "no-promise-running",
        not running,
        ("a promise to pay is running", "还款承诺尚未到期")
        if running
        else ("no promise is running", "没有未到期的还款承诺"),
        earliest_next=asked.promise_until,
    )
    waiting = any(past.open for past in asked.ledger)
    yield _verdict(
        "one-permit-at-a-time",
        not waiting,
        ("the last permit is still out", "上一份许可尚未了结") if waiting else ("no permit is out", "没有未了结的许可"),
    )
    yield _week(asked)


def _calls(asked: Asked) -> Iterable[Verdict]:
    today = [past for past in asked.ledger if past.channel == "voice" and _same_day(past.at, asked)]
    effective = sum(past.answered for past in today)
    unanswered = len(today) - effective
    yield _verdict(
        "effective-calls-a-day",
        effective < EFFECTIVE_CALLS_A_DAY,
        (
            f"{effective} of {EFFECTIVE_CALLS_A_DAY} effective calls today",
            f"当日有效通话 {effective} 次，上限 {EFFECTIVE_CALLS_A_DAY} 次",
        ),
        status="must",
        source=GBT,
        earliest_next=_tomorrow(asked),
    )
    yield _verdict(
        "unanswered-dials-a-day",
        unanswered < UNANSWERED_DIALS_A_DAY,
        (
            f"{unanswered} of {UNANSWERED_DIALS_A_DAY} unanswered calls today",
            f"当日未接通拨打 {unanswered} 次，上限 {UNANSWERED_DIALS_A_DAY} 次",
        ),
        status="should",
        source=CBA,
        earliest_next=_tomorrow(asked),
    )


def _messages(asked: Asked) -> Iterable[Verdict]:
    today = sum(past.channel not in ("voice", "visit") and _same_day(past.at, asked) for past in asked.ledger)
    yield _verdict(
        "messages-a-day",
        today < MESSAGES_A_DAY,
        (f"{today} of {MESSAGES_A_DAY} messages today", f"当日已发消息 {today} 条，上限 {MESSAGES_A_DAY} 条"),
        earliest_next=_tomorrow(asked),
    )


def _week(asked: Asked) -> Verdict:
    recent = sorted(past.at for past in asked.ledger if past.at > asked.now - WEEK)
    free = len(recent) < CONTACTS_A_WEEK
    return _verdict(
        "contacts-a-week",
        free,
        (
            f"{len(recent)} of {CONTACTS_A_WEEK} contacts in 7 days",
            f"7 天内已联系 {len(recent)} 次，上限 {CONTACTS_A_WEEK} 次",
        ),
        earliest_next=None if free else recent[-CONTACTS_A_WEEK] + WEEK,
    )


def _verdict(
    rule: str,
    allowed: bool,
    detail: tuple[str, str],
    *,
    status: Literal["must", "should", "policy"] = "policy",
    source: str = HOUSE,
    earliest_next: datetime | None = None,
) -> Verdict:
    return Verdict(
        rule=rule,
        allowed=allowed,
        status=status,
        source=source,
        confidence="own" if status == "policy" else "secondary",
        detail=detail[0],
        detail_zh=detail[1],
        earliest_next=None if allowed else earliest_next,
    )


def _same_day(at: datetime, asked: Asked) -> bool:
    return any(at.astimezone(zone).date() == asked.now.astimezone(zone).date() for zone in asked.zones)


def _tomorrow(asked: Asked) -> datetime | None:
    """The first allowed instant at which it is another day wherever the borrower may be."""
    days = ((asked.now.astimezone(zone).date() + timedelta(days=1), zone) for zone in asked.zones)
    midnights = (datetime.combine(day, time(), zone).astimezone(UTC) for day, zone in days)
    return next_opening(max(midnights), asked.zones)


def _ahead(zone: ZoneInfo, home: ZoneInfo, at: datetime) -> timedelta:
    """How far the clock of `zone` is ahead of the one of `home`: from -12 to 12 hours, whatever the date."""
    there, here = (at.astimezone(one).utcoffset() or timedelta() for one in (zone, home))
    half = timedelta(hours=12)
    return (there - here + half) % (2 * half) - half


def _hour(clock: time) -> timedelta:
    return timedelta(hours=clock.hour, minutes=clock.minute)


def _clock(since_midnight: timedelta) -> time:
    minutes = since_midnight // timedelta(minutes=1)
    return time(minutes // 60, minutes % 60)
