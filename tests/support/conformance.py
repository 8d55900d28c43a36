"""Words for tests of the checker: a dump, told event by event."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any, Self
from zoneinfo import ZoneInfo

from conformance.checker import check
from conformance.record import ordered
from conformance.report import Assumptions, Findings

HOMES = {
    "cn": ("CN-GD", "Asia/Shanghai"),
    "us": ("US-NY", "America/New_York"),
    "in": ("IN-MH", "Asia/Kolkata"),
    "uk": ("GB-LND", "Europe/London"),
    "kr": ("KR-11", "Asia/Seoul"),
    "ru": ("RU-MOW", "Europe/Moscow"),
    "au": ("AU-NSW", "Australia/Sydney"),
    "id": ("ID-JK", "Asia/Jakarta"),
    "th": ("TH-10", "Asia/Bangkok"),
    "ph": ("PH-00", "Asia/Manila"),
    "tw": ("TW-TPE", "Asia/Taipei"),
    "jp": ("JP-13", "Asia/Tokyo"),
}


class Dump:
    """A dump, told event by event. Times are the borrower's, such as "2026-03-02 10:00"."""

    def __init__(
        self, home: str, case: str = "case-1", lines: list[dict[str, Any]] | None = None, *, tenant: str = "acme"
    ) -> None:
        self.home, self.case, self.tenant = home, case, tenant
        self.region, self.zone = HOMES[home]
        self.lines = [] if lines is None else lines
        self._ids = count()

    def tell(self, at: str, kind: str, /, **data: Any) -> Self:
        """Any event."""
        # What a tenant says belongs to no case.
        subject = f"tenant-{self.tenant}" if kind.startswith("tenant.") else self.case
        line = {
            "specversion": "1.0",
            "datacontenttype": "application/json",
            "id": f"{self.case}-{next(self._ids)}",
            "source": "/doorstep/dump",
            "type": f"doorstep.{kind}",
            "subject": subject,
            "time": self.utc(at),
            "recordedat": self.utc(at),
            "tenant": self.tenant,
            "stream": f"dump/{self.case}",
            "streamversion": len(self.lines) + 1,
            "partitionkey": subject,
            "correlationid": self.case,
            "schemaversion": 1,
            "data": data,
            "actor": {"id": "dump"},
        }
        self.lines.append(line)
        return self

    def utc(self, at: str) -> str:
        """As an event has it."""
        return datetime.fromisoformat(at).replace(tzinfo=ZoneInfo(self.zone)).astimezone(UTC).isoformat()

    def fact(self, day: str, *, since: str = "2026-01-05", loan: str = "L1", known: bool = True) -> Self:
        """The bank's word for a day, at 06:00 on the next."""
        place = {"region": self.region, "time_zone": self.zone} if known else {}
        next_day = date.fromisoformat(day) + timedelta(days=1)
        days = {"business_date": day, "overdue_since": since}
        return self.tell(f"{next_day} 06:00", "loan.overdue-recorded", loan_id=loan, **days, **place)

    def overdue(self) -> Self:
        """Overdue for all of the story, with a fact for each day."""
        days = (date(2026, 1, 10) + timedelta(days=number) for number in range(240))
        for day in days:
            self.fact(day.isoformat())
        return self

    def permit(self, at: str, name: str, channel: str = "sms", **more: Any) -> Self:
        """One contact, for two days."""
        until = datetime.fromisoformat(at) + timedelta(days=2)
        data: dict[str, Any] = {"permit_id": name, "channel": channel, "purpose": "reminder", "loan_ids": ["L1"]}
        windows = {"opens": "00:00", "closes": "23:59", "time_zone": self.zone}
        data |= {"valid_until": self.utc(str(until)), "windows": windows, "phone_token": f"phone-{self.tenant}", **more}
        return self.tell(at, "contact.permitted", **data)

    def start(self, at: str, name: str, channel: str = "sms") -> Self:
        """The intent, and the sending at once."""
        data = {"permit_id": name, "channel": channel}
        return self.tell(at, "contact.started", **data).tell(at, "contact.sent", **data)

    def contact(self, at: str, channel: str = "sms", **more: Any) -> Self:
        """Permitted and sent."""
        return self.permit(at, at, channel, **more).start(at, at, channel)

    def call(self, at: str, *, answered: bool = False, **more: Any) -> Self:
        """Permitted, dialled, and answered or not."""
        status = "answered" if answered else "no-answer"
        told = {"permit_id": at, "channel": "voice", "status": status, "at": self.utc(at)}
        return self.contact(at, "voice", **more).tell(at, "contact.receipt", **told)

    def visit(self, at: str, *, hours: int = 48, present: int = 2, staff: int = 2, **more: Any) -> Self:
        """Permitted and noticed `hours` before, made by as many as were `present`."""
        noticed = str(datetime.fromisoformat(at) - timedelta(hours=hours))
        until = str(datetime.fromisoformat(at) + timedelta(hours=4))
        windows = {"opens": "00:00", "closes": "23:59", "time_zone": self.zone}
        terms = {"valid_until": self.utc(until), "windows": windows, "loan_ids": ["L1"], "notice_hours": 24}
        self.tell(noticed, "visit.permitted", permit_id=at, minimum_staff=staff, **terms, **more)
        self.tell(noticed, "visit.planned", visit_id=at, starts=self.utc(at))
        self.tell(noticed, "visit.notice-started", visit_id=at, channel="sms")
        self.tell(noticed, "visit.noticed", visit_id=at, channel="sms")
        who = [f"agent-{number}" for number in range(present)]
        return self.tell(at, "visit.started", visit_id=at, at=self.utc(at), present=who)

    def end(self, at: str) -> Self:
        """The case is cured."""
        return self.tell(at, "case.cured", episode=1)

    def erase(self, at: str) -> Self:
        """Ordered and done."""
        named = {"erasure_id": "e"}
        return self.tell(at, "erasure.ordered", **named, cause="request").tell(at, "erasure.completed", **named)

    def values(self) -> list[bytes]:
        """The events as they are published."""
        return [json.dumps(line, separators=(",", ":")).encode() for line in self.lines]

    def report(self, assumed: Assumptions | None = None) -> Findings:
        """What the checker says; by the rules of the home alone, unless something else is assumed."""
        return check(ordered(self.values()), assumed or Assumptions.of(self.home))


WRONG: Sequence[tuple[str, str, Callable[[Dump], object], str]] = [
    ("at 22:00 in China", "cn", lambda s: s.contact("2026-03-02 22:00"), "GB/T 45251-2025: none 22-08"),
    ("at 07:59 in China", "cn", lambda s: s.contact("2026-03-02 07:59"), "GB/T 45251-2025: none 22-08"),
    ("at 21:00 in New York", "us", lambda s: s.contact("2026-03-02 21:00"), "Reg F: 08-21"),
    ("at 19:00 in India", "in", lambda s: s.contact("2026-03-02 19:00"), "RBI 2022: 08-19"),
    ("at 22:30 in Britain", "uk", lambda s: s.contact("2026-03-02 22:30"), "house hours"),
    ("a call at 21:30 in Korea", "kr", lambda s: s.call("2026-03-02 21:30"), "PDPA: none 21-08"),
    ("on a Saturday at 20:00 in Russia", "ru", lambda s: s.contact("2026-03-07 20:00"),
     "230-FZ: 08-22, weekends and holidays 09-20"),
    ("on a holiday at 08:30 in Russia", "ru", lambda s: s.contact("2026-05-01 08:30"),
     "230-FZ: 08-22, weekends and holidays 09-20"),
    ("a call on a Saturday at 08:30 in Sydney", "au", lambda s: s.call("2026-03-07 08:30"),
     "RG 96: phone 07:30-21, weekends 09-21"),
    ("a visit on Australia Day", "au", lambda s: s.visit("2026-01-26 10:00"), "RG 96: face to face 09-21, no holidays"),
    ("on a Sunday in Indonesia", "id", lambda s: s.contact("2026-03-08 10:00"),
     "POJK 22/2023: Mon-Sat 08-20, no holidays"),
    ("on Independence Day in Indonesia", "id", lambda s: s.contact("2026-08-17 10:00"),
     "POJK 22/2023: Mon-Sat 08-20, no holidays"),
    ("on a Saturday at 18:00 in Thailand", "th", lambda s: s.contact("2026-03-07 18:00"),
     "Thailand: 08-20, holidays 08-18"),
    ("twice a day in Thailand", "th", lambda s: s.contact("2026-03-02 09:00").call("2026-03-02 15:00"),
     "Thailand: 1 contact a day"),
    ("at 22:30 in Taiwan", "tw", lambda s: s.contact("2026-03-02 22:30"), "Taiwan: 07-22"),
    ("a call at 21:00 in Japan", "jp", lambda s: s.call("2026-03-02 21:00"), "Japan: none 21-08"),
    ("two messages a day", "uk", lambda s: s.contact("2026-03-02 09:00").contact("2026-03-02 15:00", "email"),
     "house: 1 message a day"),
    ("four contacts in seven days", "uk",
     lambda s: [s.call(f"2026-03-{day:02} 10:00") for day in (2, 4, 6)] + [s.contact("2026-03-09 09:59")],
     "house: 3 contacts in 7 days"),
    ("two visits in thirty days", "uk", lambda s: s.visit("2026-03-02 10:00").visit("2026-04-01 09:59"),
     "house: 1 visit in 30 days"),
    ("a visit on a Sunday", "uk", lambda s: s.visit("2026-03-08 10:00"), "house visit hours"),
    ("two calls on one day in Russia", "ru", lambda s: s.call("2026-03-02 10:00").call("2026-03-02 18:00"),
     "230-FZ: 1 call a day"),
    ("three calls in a week in Russia", "ru", lambda s: [s.call(f"2026-03-{day:02} 10:00") for day in (2, 4, 8)],
     "230-FZ: 2 calls a week"),
    ("eight calls in seven days in America", "us",
     lambda s: [s.call(f"2026-03-{day:02} 10:00") for day in range(2, 9)] + [s.call("2026-03-08 15:00")],
     "Reg F: 7 calls in 7 days"),
    ("four effective calls in China", "cn",
     lambda s: [s.call(f"2026-03-02 {hour}:00", answered=True) for hour in (10, 12, 14, 16)],
     "GB/T 45251-2025: 3 effective calls a day"),
    ("eleven contacts in a month in Australia", "au",
     lambda s: [s.contact(f"2026-03-{day:02} 10:00") for day in range(2, 13)], "RG 96: 10 contacts a month"),
    ("eight contacts in seven days in Korea", "kr",
     lambda s: [s.contact(f"2026-03-{day:02} 10:00") for day in range(2, 9)] + [s.call("2026-03-08 12:00")],
     "PDPA: 7 contacts in 7 days"),
    ("a call on day 7 after a conversation", "us",
     lambda s: s.call("2026-03-02 10:00", answered=True).call("2026-03-08 10:00"), "cool-down"),
    ("no validation information", "us", lambda s: s.contact("2026-03-02 10:00").contact("2026-03-09 10:00"),
     "validation"),
    ("no notice of collection in Korea", "kr", lambda s: s.contact("2026-03-05 10:00"), "prior notice"),
    ("a notice of collection too late in Korea", "kr",
     lambda s: s.contact("2026-03-06 10:00", purpose="collection-notice").contact("2026-03-10 10:00"), "prior notice"),
    ("in blocked hours", "us",
     lambda s: s.tell("2026-03-01 10:00", "block.recorded", block_id="b", weekdays=[1], opens="12:00", closes="14:00")
     .contact("2026-03-02 13:00"), "block"),
    ("on a hold", "uk", lambda s: s.tell("2026-03-01 10:00", "hold.placed", hold_id="h", kind="dispute")
     .contact("2026-03-02 10:00"), "hold"),
    ("on a hold that was renewed", "uk",
     lambda s: s.tell("2026-02-01 10:00", "hold.placed", hold_id="h", kind="hardship", until=s.utc("2026-03-01 10:00"))
     .tell("2026-02-28 10:00", "hold.renewed", hold_id="h", until=None).contact("2026-03-02 10:00"), "hold"),
    ("after the cure", "uk", lambda s: s.tell("2026-03-02 06:00", "loan.cure-recorded", loan_id="L1",
     business_date="2026-03-01").contact("2026-03-02 10:00"), "cure"),
    ("after the case was cured", "uk",
     lambda s: s.tell("2026-03-02 06:15", "case.cured", episode=1).contact("2026-03-02 10:00"), "cure"),
    ("after a payment", "uk", lambda s: s.tell("2026-03-02 09:00", "loan.payment-recorded", loan_id="L1", fact_id="p",
     paid_on="2026-03-02").contact("2026-03-02 10:00"), "payment"),
    ("while a message is parked", "uk",
     lambda s: s.tell("2026-03-02 07:00", "sending.suspended", by="reminder", key="k").contact("2026-03-02 10:00"),
     "suspension"),
    ("after the kill switch", "uk",
     lambda s: s.tell("2026-03-02 07:00", "tenant.sending-stopped", way="sms").contact("2026-03-02 10:00"),
     "kill switch"),
    ("a permit in shadow mode", "uk",
     lambda s: s.tell("2026-03-02 07:00", "tenant.shadow-set", on=True).contact("2026-03-02 10:00"), "shadow"),
    ("more first contacts than the ramp", "uk",
     lambda s: s.tell("2026-03-02 07:00", "tenant.ramp-set", first_contacts_a_day=0)
     .contact("2026-03-02 10:00", first=True), "ramp"),
    ("without a permit", "uk", lambda s: s.start("2026-03-02 10:00", "none"), "permit"),
    ("on another channel", "uk", lambda s: s.permit("2026-03-02 09:00", "a").start("2026-03-02 10:00", "a", "voice"),
     "permit"),
    ("under an expired permit", "uk", lambda s: s.permit("2026-03-02 09:00", "a").start("2026-03-04 09:01", "a"),
     "permit"),
    ("before its permit", "uk", lambda s: s.permit("2026-03-02 11:00", "a").start("2026-03-02 10:00", "a"), "permit"),
    ("twice under one permit", "uk",
     lambda s: s.permit("2026-03-02 09:00", "a").start("2026-03-02 10:00", "a").start("2026-03-03 08:00", "a"),
     "permit"),
    ("under a cancelled permit", "uk",
     lambda s: s.permit("2026-03-02 09:00", "a").tell("2026-03-02 09:30", "permit.cancelled", permit_id="a")
     .start("2026-03-02 10:00", "a"), "permit"),
    ("under a permit its executor gave back", "uk",
     lambda s: s.permit("2026-03-02 09:00", "a").tell("2026-03-02 10:00", "contact.not-sent", permit_id="a")
     .start("2026-03-02 10:00", "a"), "permit"),
    ("outside of the permit's own hours", "uk",
     lambda s: s.contact("2026-03-02 10:00",
     windows={"opens": "11:00", "closes": "12:00", "time_zone": "Europe/London"}), "permit"),
    ("noticed too late", "uk", lambda s: s.visit("2026-03-04 10:00", hours=23), "notice"),
    ("while a dispute is open, though its hold was lifted", "uk",
     lambda s: s.tell("2026-03-01 10:00", "dispute.opened", dispute_id="d")
     .tell("2026-03-01 10:00", "hold.placed", hold_id="d", kind="dispute")
     .tell("2026-03-02 09:00", "hold.lifted", hold_id="d").contact("2026-03-02 10:00"), "hold"),
    ("erased under a legal hold", "uk",
     lambda s: s.end("2026-03-02 06:15").tell("2026-03-03 10:00", "legal-hold.placed", hold_id="h")
     .erase("2026-03-04 10:00"), "erasure"),
    ("erased while a dispute is open", "uk",
     lambda s: s.end("2026-03-02 06:15").tell("2026-03-03 10:00", "dispute.opened", dispute_id="d")
     .erase("2026-03-04 10:00"), "erasure"),
    ("erased a day before five years in China", "cn",
     lambda s: s.end("2026-03-02 06:15").erase("2031-03-01 10:00"), "retention"),
    ("erased a day before three years in America", "us",
     lambda s: s.end("2026-03-02 06:15").erase("2029-03-01 10:00"), "retention"),
    ("visited by one alone", "uk", lambda s: s.visit("2026-03-04 10:00", present=1), "staff"),
    ("visited by fewer than permitted", "uk", lambda s: s.visit("2026-03-04 10:00", staff=3), "staff"),
    ("permitted for one alone", "uk", lambda s: s.visit("2026-03-04 10:00", staff=1), "staff"),
]  # fmt: skip
"""What should not happen: told in words, where, how it happens, and the rule that it breaks."""

RIGHT: Sequence[tuple[str, str, Callable[[Dump], object]]] = [
    ("at 21:59 in China", "cn", lambda s: s.contact("2026-03-02 21:59")),
    ("at 08:00 in China", "cn", lambda s: s.contact("2026-03-02 08:00")),
    ("late in China by consent", "cn",
     lambda s: s.tell("2026-03-01 10:00", "consent.recorded", consent_id="c", kind="hours")
     .contact("2026-03-02 23:00")),
    ("at 18:59 in India", "in", lambda s: s.contact("2026-03-02 18:59")),
    ("a call on day 8 after a conversation", "us",
     lambda s: s.call("2026-03-02 10:00", answered=True, purpose="validation-notice").call("2026-03-09 10:00")),
    ("three business days after the notice in Korea", "kr",
     lambda s: s.contact("2026-03-06 10:00", purpose="collection-notice").contact("2026-03-11 10:00")),
    ("seven days after the first of three", "uk",
     lambda s: [s.call(f"2026-03-{day:02} 10:00") for day in (2, 4, 6)] + [s.contact("2026-03-09 10:00")]),
    ("after a payment that the bank knows of", "uk",
     lambda s: s.tell("2026-03-01 19:00", "loan.payment-recorded", loan_id="L1", fact_id="p", paid_on="2026-03-01")
     .contact("2026-03-02 10:00")),
    ("after a hold on visits alone", "uk",
     lambda s: s.tell("2026-03-01 10:00", "hold.placed", hold_id="h", kind="vulnerability", ways=["visit"])
     .contact("2026-03-02 10:00")),
    ("after a hold on another loan", "uk",
     lambda s: s.tell("2026-03-01 10:00", "hold.placed", hold_id="h", kind="dispute", loans=["L2"])
     .contact("2026-03-02 10:00")),
    ("after a hold was lifted", "uk",
     lambda s: s.tell("2026-03-01 10:00", "hold.placed", hold_id="h", kind="dispute")
     .tell("2026-03-02 09:00", "hold.lifted", hold_id="h").contact("2026-03-02 10:00")),
    ("after a dispute was closed", "uk",
     lambda s: s.tell("2026-03-01 10:00", "dispute.opened", dispute_id="d")
     .tell("2026-03-02 09:00", "dispute.closed", dispute_id="d").contact("2026-03-02 10:00")),
    ("erased after five years in China", "cn", lambda s: s.end("2026-03-02 06:15").erase("2031-03-02 10:00")),
    ("erased at once where no law keeps it", "uk", lambda s: s.end("2026-03-02 06:15").erase("2026-03-03 10:00")),
    ("erased after the legal hold", "uk",
     lambda s: s.end("2026-03-02 06:15").tell("2026-03-03 10:00", "legal-hold.placed", hold_id="h")
     .tell("2026-03-04 09:00", "legal-hold.lifted", hold_id="h").erase("2026-03-04 10:00")),
    ("late in China by consent, under a permit for the whole day", "cn",
     lambda s: s.tell("2026-03-01 10:00", "consent.recorded", consent_id="c", kind="hours")
     .contact("2026-03-02 23:00", windows={"opens": "00:00", "closes": "00:00", "time_zone": "Asia/Shanghai"})),
    ("a visit as it should be", "uk", lambda s: s.visit("2026-03-04 10:00")),
]  # fmt: skip
"""What may happen."""
