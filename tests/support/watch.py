"""An independent checker: what left the house, held against what was known then and against the contact rules.

    python -m tests.support.watch DUMP.ndjson --jurisdiction us [--stale-after 7] [--json]

It reads an event dump (`doorstep demo --dump`), one CloudEvent a line, and nothing else: no code of Doorstep, no pack,
no verdict. The numbers stand in `watch_numbers`. Exit status 1 means violations, each with the event, case, rule and
why.

After a cure, a hold, a payment or a cancellation is judged by what had been recorded when the executor committed the
intent. What crossed a message that was already on its way is counted apart and is no violation.
"""

import argparse
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tests.support.watch_calendar import class_of, inside
from tests.support.watch_memory import Memory
from tests.support.watch_numbers import (
    HOUSE_CAPS,
    HOUSE_NOTICE_HOURS,
    HOUSE_STAFF,
    HOUSE_WINDOWS,
    JURISDICTIONS,
    STALE_AFTER_DAYS,
    Rules,
    Window,
)
from tests.support.watch_record import Case, Event, Out, Permit, moment, read
from tests.support.watch_whole import Breach, over, too_soon, unannounced, unvalidated

__all__ = ["Report", "Violation", "check", "main", "read"]


@dataclass(frozen=True)
class Violation:
    """What should not have happened."""

    event: str
    case: str
    at: str
    rule: str
    why: str


@dataclass
class Report:
    """What was found. `denied` counts `denials` by each rule that refused."""

    jurisdiction: str
    events: int = 0
    left: Counter[str] = field(default_factory=Counter)
    denials: int = 0
    denied: Counter[str] = field(default_factory=Counter)
    crossed: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {**vars(self), "violations": [vars(one) for one in self.violations]}


def check(events: Iterable[Event], jurisdiction: str, stale_after: int = STALE_AFTER_DAYS) -> Report:
    """Hold `events`, in the order of recording, against the rules of `jurisdiction`."""
    watch = Watch(JURISDICTIONS[jurisdiction], Report(jurisdiction), stale_after)
    for event in events:
        watch.hear(event)
    watch.count_up()
    return watch.report


class Watch:
    """Reads events in order; judges each thing that leaves the house by what is known at that instant."""

    def __init__(self, rules: Rules, report: Report, stale_after: int) -> None:
        self.report = report
        self._rules = rules
        self._stale_after = stale_after
        self._memory = Memory()
        self._to_case: dict[str, list[Out]] = defaultdict(list)
        self._to_phone: dict[str, list[Out]] = defaultdict(list)
        self._firsts: Counter[tuple[str, date]] = Counter()

    def hear(self, event: Event) -> None:
        """Learn from an event, and judge it if something left the house with it."""
        self.report.events += 1
        self._memory.learn(event)
        if event.type in _JUDGED:
            _JUDGED[event.type](self, event, self._memory.cases[event.case])

    def count_up(self) -> None:
        """Judge what only the whole tells."""
        for out in self._to_case.values():
            self._breaches(self._whole(sorted(out, key=lambda one: one.at)))
        per_number = [cap for cap in self._rules.caps if cap.scope == "number"]
        for out in self._to_phone.values():
            in_order = sorted(out, key=lambda one: one.at)
            for cap in per_number:
                self._breaches(over(cap, in_order, self._memory.answered))

    def _whole(self, out: Sequence[Out]) -> Iterator[Breach]:
        for cap in (*HOUSE_CAPS, *self._rules.caps):
            if cap.scope != "number":
                yield from over(cap, out, self._memory.answered)
        yield from too_soon(self._rules, out, self._memory.answered)
        yield from unannounced(self._rules, out)
        yield from unvalidated(self._rules, out)

    def _breaches(self, found: Iterable[Breach]) -> None:
        for out, rule, why in found:
            self.report.violations.append(Violation(out.event, out.case, out.at.isoformat(), rule, why))

    # What is decided.

    def _denied(self, event: Event, _: Case) -> None:
        self.report.denials += 1
        self.report.denied.update(event.data["refused"])

    def _permitted(self, event: Event, case: Case) -> None:
        permit = Permit(event.at, event.case, event.data, visit=event.type == "visit.permitted")
        case.permits[event.data["permit_id"]] = permit
        if event.at > self._memory.shadow.get(event.tenant, event.at):
            self._say(event, "shadow", "permitted in shadow mode")
        age = min((event.at.astimezone(zone).date() - case.business_date()).days for zone in self._zones(case))
        if age > self._stale_after:
            self._say(event, "stale facts", f"the bank's last word was {age} days old")
        if permit.visit and permit.data["minimum_staff"] < max(HOUSE_STAFF, self._rules.staff):
            self._say(event, "staff", f"permitted for {permit.data['minimum_staff']} alone")
        if permit.visit and permit.data["notice_hours"] < HOUSE_NOTICE_HOURS:
            self._say(event, "notice", f"permitted with a notice of {permit.data['notice_hours']} hours")
        if event.data.get("first"):
            self._first(event)

    def _first(self, event: Event) -> None:
        today = event.at.astimezone(ZoneInfo(self._rules.zones[0])).date()
        self._firsts[event.tenant, today] += 1
        limit = self._memory.ramp.get(event.tenant)
        if limit is not None and self._firsts[event.tenant, today] > limit:
            self._say(event, "ramp", f"first contact {self._firsts[event.tenant, today]} of {limit}")

    def _cancelled(self, event: Event, case: Case) -> None:
        if permit := case.permits.get(event.data["permit_id"]):
            permit.cancelled = min(permit.cancelled, event.at)

    # What the executors do.

    def _ended(self, event: Event, case: Case) -> None:
        if permit := case.permits.get(_permit_id(event)):
            permit.ended = min(permit.ended, event.at)

    def _started(self, event: Event, case: Case) -> None:
        permit = case.permits.get(_permit_id(event))
        if permit is None:
            self._say(event, "permit", "there is none")
            return
        if permit.started is not None:
            self._say(event, "permit", "used twice")
        permit.started = event.at
        self._intent(event, case, permit, event.data["channel"])
        if not permit.visit and event.data["channel"] != permit.data["channel"]:
            self._say(event, "permit", f"for {permit.data['channel']}, not for {event.data['channel']}")

    def _intent(self, event: Event, case: Case, permit: Permit, way: str) -> None:
        at = event.at
        if permit.ended <= at:
            self._say(event, "permit", "it was over by the executor's own record")
        if permit.cancelled < at:
            self._say(event, "permit", f"cancelled at {permit.cancelled}")
        if permit.at > at or at > moment(permit.data["valid_until"]):
            self._say(event, "permit", f"valid from {permit.at} to {permit.data['valid_until']}")
        for rule, why in self._against(case, at, way, permit.loans, event.tenant):
            self._say(event, rule, why)

    def _against(
        self, case: Case, at: datetime, way: str, loans: Iterable[str], tenant: str
    ) -> Iterator[tuple[str, str]]:
        """Why nothing should have begun at `at`, by what was recorded before."""
        if (case.cured and case.cured < at) or case.over_before(at):
            yield "cure", "nothing was overdue any more"
        if case.paid_before(at):
            yield "payment", "a payment waited for the bank's next word"
        for kind in case.holds_on(at, way, loans):
            yield "hold", kind
        for (by, _), since in case.suspended.items():
            if since < at:
                yield "suspension", f"a message was parked at {by}"
        for name in (None, way):
            if self._memory.switches.get((tenant, name), at) < at:
                yield "kill switch", f"{name or 'everything'} was stopped"

    def _left(self, event: Event, case: Case) -> None:
        permit = case.permits.get(_permit_id(event))
        if permit is None or permit.started is None:
            self._say(event, "permit", "sent without a permit, or without an intent")
            return
        notice = event.type.startswith("visit.")
        way = str(event.data.get("channel", "sms"))
        # Of an unknown end only the intent's instant is known.
        at = permit.started if event.type in ("contact.unknown", "visit.notice-failed") else event.at
        self._leave(event, case, self._went(event, case, permit, at, permit.started, way, notice=notice))
        if notice:
            permit.noticed = at

    def _notice_failed(self, event: Event, case: Case) -> None:
        if event.data.get("unknown"):
            self._left(event, case)

    def _planned(self, event: Event, case: Case) -> None:
        if permit := case.permits.get(_permit_id(event)):
            permit.slot = moment(event.data["starts"])

    def _visited(self, event: Event, case: Case) -> None:
        permit = case.permits.get(_permit_id(event))
        if permit is None:
            self._say(event, "permit", "there is none for this visit")
            return
        at = moment(event.data["at"])
        self._intent(event, case, permit, "visit")
        self._at_the_door(event, permit, at)
        self._leave(event, case, self._went(event, case, permit, at, event.at, "visit"))

    def _at_the_door(self, event: Event, permit: Permit, at: datetime) -> None:
        present, starts = set(event.data.get("present", ())), permit.slot
        if len(present) < max(HOUSE_STAFF, self._rules.staff, permit.data["minimum_staff"]):
            self._say(event, "staff", f"{len(present)} were present")
        if permit.noticed is None or starts is None or at < starts:
            self._say(event, "notice", "not told, or earlier than told")
        elif permit.noticed + timedelta(hours=max(HOUSE_NOTICE_HOURS, permit.data["notice_hours"])) > starts:
            self._say(event, "notice", f"told at {permit.noticed}, for {starts}")
        if at >= moment(permit.data["valid_until"]):
            self._say(event, "permit", f"valid until {permit.data['valid_until']}")

    def _went(
        self,
        event: Event,
        case: Case,
        permit: Permit,
        at: datetime,
        intent: datetime,
        way: str,
        *,
        notice: bool = False,
    ) -> Out:
        zones = self._zones(case)
        return Out(event.id, event.case, at, intent, way, _permit_id(event), permit, zones, case.episode, notice)

    def _leave(self, event: Event, case: Case, out: Out) -> None:
        self._to_case[event.case].append(out)
        if token := out.permit.data.get("phone_token"):
            self._to_phone[token].append(out)
        self.report.left["notice" if out.notice else out.way] += 1
        for window in (*HOUSE_WINDOWS, *self._rules.windows):
            if out.way in window.ways:
                self._window(event, case, out, window)
        self._spans(event, out)
        self._blocks(event, case, out)
        self._crossings(event, case, out)

    def _crossings(self, event: Event, case: Case, out: Out) -> None:
        """What was recorded between the intent and the sending, or at the very instant of the intent."""
        loans, just_after = out.permit.loans, max(out.at, out.intent) + timedelta(microseconds=1)
        before = {rule for rule, _ in self._against(case, out.intent, out.way, loans, event.tenant)}
        after = {rule for rule, _ in self._against(case, just_after, out.way, loans, event.tenant)}
        self.report.crossed.update(after - before)

    def _window(self, event: Event, case: Case, out: Out, window: Window) -> None:
        if window.until_dpd is not None and case.dpd(out.day()) > window.until_dpd:
            return
        if window.consent and any(
            one.data["kind"] == "hours" and one.allows(out.at, out.way) for one in case.consents.values()
        ):
            return
        for zone in out.zones:
            local = out.at.astimezone(zone)
            hours = window.week[class_of(self._rules.country, local.date())]
            if hours is None or not hours[0] <= local.time() < hours[1]:
                self._say(event, window.rule, f"{out.way} at {local:%a %Y-%m-%d %H:%M} in {zone.key}")

    def _spans(self, event: Event, out: Out) -> None:
        permit, windows = out.permit, out.permit.data["windows"]
        local = out.at.astimezone(ZoneInfo(windows["time_zone"])).time()
        spans = permit.data.get("notice_allowed" if out.notice else "allowed") if permit.visit else None
        if spans:
            inside = any(moment(span["starts"]) <= out.at < moment(span["ends"]) for span in spans)
        else:
            inside = time.fromisoformat(windows["opens"]) <= local <= time.fromisoformat(windows["closes"])
        if not inside:
            self._say(event, "permit", f"{out.way} at {out.at}, outside of what it allows")

    def _blocks(self, event: Event, case: Case, out: Out) -> None:
        for block in case.blocks.values():
            if block.stops(out.intent, out.way, out.permit.loans) and any(
                inside(block.data, out.at.astimezone(zone)) for zone in out.zones
            ):
                self._say(event, "block", f"{out.way} at {out.at}, in blocked hours")

    def _zones(self, case: Case) -> tuple[ZoneInfo, ...]:
        names = (case.time_zone,) if case.time_zone else self._rules.zones
        return tuple(ZoneInfo(name) for name in names)

    def _say(self, event: Event, rule: str, why: str) -> None:
        self.report.violations.append(Violation(event.id, event.case, event.at.isoformat(), rule, why))


_JUDGED: dict[str, Any] = {
    "contact.denied": Watch._denied,
    "visit.denied": Watch._denied,
    "contact.permitted": Watch._permitted,
    "visit.permitted": Watch._permitted,
    "permit.cancelled": Watch._cancelled,
    "contact.started": Watch._started,
    "visit.notice-started": Watch._started,
    "contact.sent": Watch._left,
    "contact.unknown": Watch._left,
    "visit.noticed": Watch._left,
    "visit.notice-failed": Watch._notice_failed,
    "contact.not-sent": Watch._ended,
    "contact.withdrawn": Watch._ended,
    "visit.cancelled": Watch._ended,
    "visit.planned": Watch._planned,
    "visit.started": Watch._visited,
}


def _permit_id(event: Event) -> str:
    return str(event.data.get("permit_id") or event.data.get("visit_id"))


def main(arguments: list[str] | None = None) -> int:
    """The command line; its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.watch", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("dump", type=Path, metavar="DUMP.ndjson")
    parser.add_argument("--jurisdiction", choices=tuple(JURISDICTIONS), required=True)
    parser.add_argument("--stale-after", type=int, default=STALE_AFTER_DAYS, help="days, as the tenant has them")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    asked = parser.parse_args(arguments)
    found = check(read(asked.dump), asked.jurisdiction, asked.stale_after)
    sys.stdout.write(json.dumps(found.as_dict()) if asked.json else _text(found))
    sys.stdout.write("\n")
    return 1 if found.violations else 0


def _text(found: Report) -> str:
    lines = [f"{one.at} {one.case} event {one.event}: {one.rule}: {one.why}" for one in found.violations]
    left = ", ".join(f"{count} {way}" for way, count in sorted(found.left.items()))
    lines.append(f"{found.events} events; left the house: {left or 'nothing'}")
    lines.append(f"crossed in flight: {dict(found.crossed) or 'nothing'}; violations: {len(found.violations)}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
