"""What left the house, held against what was known then and against the rules of the place.

It reads events as they were published and nothing else: no code of what decides, no pack, no verdict. The numbers stand
in `rules`, by hand.

After a cure, a hold, a payment or a cancellation is judged by what had been recorded when the executor committed the
intent. What crossed a message that was already on its way is counted apart and is no violation."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from conformance.aggregate import Breach, keep_until, kept_too_long, over, too_soon, unannounced, unvalidated
from conformance.days import class_of, inside
from conformance.record import CaseRecord, LogEntry, Out, PermitRecord, moment
from conformance.report import Assumptions, Findings, Violation
from conformance.rules import Book, Rules, Window
from conformance.state import TOLD, State
from conformance.words import hours_of, instant, zh


def check(events: Sequence[LogEntry], assumed: Assumptions) -> Findings:
    """Hold `events`, in the order of recording, against the rules."""
    checker = Checker(assumed)
    for event in events:
        checker.expect(event)
    for event in events:
        checker.hear(event)
    checker.count_up()
    return checker.report


class Checker:
    """Reads events in order; judges each thing that leaves the house by what is known at that instant."""

    def __init__(self, assumed: Assumptions) -> None:
        self.report = Findings()
        self._assumed = assumed
        self._state = State(assumed.book)
        self._to_case: dict[str, list[Out]] = defaultdict(list)
        self._to_phone: dict[str, list[Out]] = defaultdict(list)
        self._firsts: dict[str, list[PermitRecord]] = defaultdict(list)

    def expect(self, event: LogEntry) -> None:
        """A permit counts from its own instant, however the clocks of two services differ; so all are known first."""
        if event.type in _PERMITS and not event.fault:
            self._guarded(event, lambda: self._state.cases[event.case].permit(event))

    def hear(self, event: LogEntry) -> None:
        """Learn from an event, and judge it if something left the house with it."""
        self.report.events += 1
        if event.fault:
            self._unreadable(event, event.fault)
        else:
            self._guarded(event, lambda: self._hear(event))

    def _hear(self, event: LogEntry) -> None:
        self._state.learn(event)
        if event.type in _JUDGED:
            _JUDGED[event.type](self, event, self._state.cases[event.case])

    def _guarded(self, event: LogEntry, judge: Callable[[], object]) -> None:
        """What cannot be judged must not pass for right."""
        try:
            judge()
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            self._unreadable(event, type(error).__name__)

    def _unreadable(self, event: LogEntry, why: str) -> None:
        self._say(event, "unreadable", why, f"无法读取：{why}")

    def count_up(self) -> None:
        """Judge what only the whole tells."""
        for out in self._to_case.values():
            self._breaches(self._per_case(sorted(out, key=lambda one: one.at)))
        for out in self._to_phone.values():
            self._breaches(self._per_number(sorted(out, key=lambda one: one.at)))
        for case in self._state.cases.values():
            self._breaches(self._kept(case))

    def _per_case(self, out: Sequence[Out]) -> Iterator[Breach]:
        for rules in _asked(out):
            for cap in rules.caps:
                if cap.scope != "number":
                    yield from over(rules, cap, out)
            yield from too_soon(rules, out)
            yield from unannounced(rules, out)
            yield from unvalidated(rules, out)

    def _per_number(self, out: Sequence[Out]) -> Iterator[Breach]:
        for rules in _asked(out):
            for cap in rules.caps:
                if cap.scope == "number":
                    yield from over(rules, cap, out)

    def _kept(self, case: CaseRecord) -> Iterator[Breach]:
        if self._assumed.now is not None and self._assumed.retention_days is not None:
            yield from kept_too_long(case, self._assumed.now, self._assumed.retention_days)

    def _breaches(self, found: Iterable[Breach]) -> None:
        for one in found:
            self._say(*one)

    # What is decided.

    def _denied(self, event: LogEntry, _: CaseRecord) -> None:
        self.report.denials += 1
        self.report.denied.update(event.data["refused"])

    def _permitted(self, event: LogEntry, case: CaseRecord) -> None:
        permit = case.permit(event)
        if event.at > self._state.shadow.get(event.tenant, event.at):
            self._say(event, "shadow", "permitted in shadow mode", "影子模式下仍予准许")
        zones = case.zones(permit)
        age = min((event.at.astimezone(zone).date() - case.business_date()).days for zone in zones)
        if age > self._assumed.stale_after:
            self._say(event, "stale facts", f"the bank's last word was {age} days old", f"银行数据已过去 {age} 天")
        if permit.visit:
            self._visit_permitted(event, permit)
        if event.data.get("first"):
            self._first(event, permit)

    def _visit_permitted(self, event: LogEntry, permit: PermitRecord) -> None:
        staff, hours = permit.data["minimum_staff"], permit.data["notice_hours"]
        if staff < _staff(permit.book):
            self._say(event, "staff", f"permitted for {staff} alone", f"准许仅 {staff} 人上门")
        if hours < _notice_hours(permit.book):
            self._say(event, "notice", f"permitted with a notice of {hours} hours", f"准许仅提前 {hours} 小时通知")

    def _first(self, event: LogEntry, permit: PermitRecord) -> None:
        """The ramp counts by the lender's day, and what was given back does not count. Where we cannot tell which zone
        the lender lives by, only what is too many in each of them is."""
        firsts = [one for one in self._firsts[event.tenant] if one.ended > event.at]
        self._firsts[event.tenant] = [*firsts, permit]
        limit = self._state.ramp.get(event.tenant)
        homes = [ZoneInfo(rules.zones[0]) for rules in permit.book if rules.zones] or list(_UTC)
        number = 1 + min(sum(_same_day(one.at, event.at, home) for one in firsts) for home in homes)
        if limit is not None and number > limit:
            self._say(
                event, "ramp", f"first contact {number} of {limit}", f"当日首次联系第 {number} 件，上限 {limit} 件"
            )

    def _cancelled(self, event: LogEntry, case: CaseRecord) -> None:
        if permit := case.permits.get(event.data["permit_id"]):
            permit.cancelled = min(permit.cancelled, event.at)

    # What the executors do.

    def _ended(self, event: LogEntry, case: CaseRecord) -> None:
        if permit := case.permits.get(_permit_id(event)):
            permit.ended = min(permit.ended, event.at)

    def _started(self, event: LogEntry, case: CaseRecord) -> None:
        permit, way = case.permits.get(_permit_id(event)), event.data["channel"]
        if permit is None:
            case.without_permit.add(_permit_id(event))
            self._say(event, "permit", "there is none", "没有许可")
            return
        if permit.started is not None:
            self._say(event, "permit", "used twice", "许可被使用两次")
        permit.started = event.at
        self._intent(event, case, permit, way)
        if not permit.visit and way != permit.way:
            self._say(event, "permit", f"for {permit.way}, not for {way}", f"许可为{zh(permit.way)}，而非{zh(way)}")

    def _intent(self, event: LogEntry, case: CaseRecord, permit: PermitRecord, way: str) -> None:
        at, until, known_by = event.at, moment(permit.data["valid_until"]), event.at - self._assumed.leeway
        if permit.ended <= at:
            self._say(event, "permit", "it was over by the executor's own record", "按执行方自己的记录，许可已用尽")
        if permit.cancelled < known_by:
            when = instant(permit.cancelled)
            self._say(event, "permit", f"cancelled at {when}", f"许可已于 {when} 撤回")
        if permit.at - self._assumed.leeway > at or at > until:
            since, end = instant(permit.at), instant(until)
            self._say(event, "permit", f"valid from {since} to {end}", f"许可有效期为 {since} 至 {end}")
        for rule, why, why_zh in self._against(event.tenant, case, way, permit, at, known_by):
            self._say(event, rule, why, why_zh)

    def _against(
        self, tenant: str, case: CaseRecord, way: str, permit: PermitRecord, at: datetime, known_by: datetime
    ) -> Iterator[tuple[str, str, str]]:
        """Why nothing should have begun at `at`, by what was recorded before `known_by`."""
        if (case.cured and case.cured < known_by) or case.over_before(known_by):
            yield "cure", "nothing was overdue any more", "当时已不再逾期"
        if case.paid_before(known_by):
            yield "payment", "a payment waited for the bank's next word", "已收到还款，尚待银行确认"
        for kind in case.holds_on(at, way, permit.loans, known_by):
            yield "hold", kind, f"停止联系期间：{zh(kind)}"
        for (by, _), since in case.suspended.items():
            if since < known_by:
                yield "suspension", f"a message was parked at {by}", f"{by} 有消息待人工处理"
        for name in (None, way):
            if self._state.switches.get((tenant, name), known_by) < known_by:
                yield "kill switch", f"{name or 'everything'} was stopped", f"{zh(name) if name else '全部渠道'}已停用"

    def _left(self, event: LogEntry, case: CaseRecord) -> None:
        permit = case.permits.get(_permit_id(event))
        if _permit_id(event) in case.without_permit:
            return
        if permit is None or permit.started is None:
            self._say(event, "permit", "sent without a permit, or without an intent", "没有许可或没有发送意向记录")
            return
        notice = event.type.startswith("visit.")
        way = str(event.data.get("channel", "sms"))
        # Of an unknown end only the intent's instant is known.
        at = permit.started if event.type in ("contact.unknown", "visit.notice-failed") else event.at
        self._leave(case, self._went(event, case, permit, at, permit.started, way, notice=notice))
        if notice:
            permit.noticed = at

    def _notice_failed(self, event: LogEntry, case: CaseRecord) -> None:
        if event.data.get("unknown"):
            self._left(event, case)

    def _planned(self, event: LogEntry, case: CaseRecord) -> None:
        if permit := case.permits.get(_permit_id(event)):
            permit.slot = moment(event.data["starts"])

    def _visited(self, event: LogEntry, case: CaseRecord) -> None:
        permit = case.permits.get(_permit_id(event))
        if permit is None:
            self._say(event, "permit", "there is none for this visit", "该次上门没有许可")
            return
        at = moment(event.data["at"])
        self._intent(event, case, permit, "visit")
        self._at_the_door(event, permit, at)
        self._leave(case, self._went(event, case, permit, at, event.at, "visit"))

    def _at_the_door(self, event: LogEntry, permit: PermitRecord, at: datetime) -> None:
        present, until = len(set(event.data.get("present", ()))), moment(permit.data["valid_until"])
        staff = max(_staff(permit.book), permit.data["minimum_staff"])
        if present < staff:
            why = f"{present} were present, at least {staff} wanted"
            self._say(event, "staff", why, f"到场 {present} 人，至少须 {staff} 人")
        if at >= until:
            self._say(event, "permit", f"valid until {instant(until)}", f"许可有效至 {instant(until)}")
        self._announced(event, permit, at)

    def _announced(self, event: LogEntry, permit: PermitRecord, at: datetime) -> None:
        hours = max(_notice_hours(permit.book), permit.data["notice_hours"])
        if permit.noticed is None or permit.slot is None or at < permit.slot:
            self._say(event, "notice", "not told, or earlier than told", "未通知，或早于所通知的时间")
        elif permit.noticed + timedelta(hours=hours) > permit.slot:
            told, door = instant(permit.noticed), instant(permit.slot)
            why = f"told at {told}, for {door}: less than {hours} hours before"
            self._say(event, "notice", why, f"通知于 {told}，上门于 {door}，不足 {hours} 小时")

    def _went(
        self,
        event: LogEntry,
        case: CaseRecord,
        permit: PermitRecord,
        at: datetime,
        intent: datetime,
        way: str,
        *,
        notice: bool = False,
    ) -> Out:
        zones = case.zones(permit)
        return Out(event, at, intent, way, _permit_id(event), permit, zones, case.episode, notice)

    def _leave(self, case: CaseRecord, out: Out) -> None:
        self._to_case[out.event.case].append(out)
        if token := out.permit.data.get("phone_token"):
            self._to_phone[token].append(out)
        self.report.left["notice" if out.notice else out.way] += 1
        for rules in out.permit.book:
            for window in rules.windows:
                if out.way in window.ways:
                    self._window(case, out, rules, window)
        self._spans(out)
        self._blocks(case, out)
        self._crossings(case, out)

    def _crossings(self, case: CaseRecord, out: Out) -> None:
        """What was recorded between the intent and the sending, or at the very instant of the intent."""
        told = (out.event.tenant, case, out.way, out.permit)
        just_after = max(out.at, out.intent) + timedelta(microseconds=1)
        before = {one[0] for one in self._against(*told, out.intent, out.intent - self._assumed.leeway)}
        after = {one[0] for one in self._against(*told, just_after, just_after)}
        self.report.crossed.update(after - before)

    def _window(self, case: CaseRecord, out: Out, rules: Rules, window: Window) -> None:
        if window.until_dpd is not None and case.dpd(out.day()) > window.until_dpd:
            return
        if window.consent and any(
            one.data["kind"] == "hours" and one.allows(out.at, out.way) for one in case.consents.values()
        ):
            return
        # The house rests on the holidays of every country whose rules hold with it.
        countries = [rules.country] if rules.country else [one.country for one in out.permit.book if one.country]
        for zone in out.zones:
            local = out.at.astimezone(zone)
            for hours in {window.week[class_of(country, local.date())] for country in countries}:
                if hours is None or not hours[0] <= local.time() < hours[1]:
                    said, spell = f"{local:%Y-%m-%d %H:%M} {zone.key}", hours_of(hours)
                    why = f"{out.way} at {local:%a} {said}, allowed: {spell or 'never that day'}"
                    why_zh = f"{zh(out.way)}发生于 {said}，允许时段：{spell or '当日不允许'}"
                    self._say(out.event, window.rule, why, why_zh)

    def _spans(self, out: Out) -> None:
        permit, windows = out.permit, out.permit.data["windows"]
        local = out.at.astimezone(ZoneInfo(windows["time_zone"])).time()
        spans = permit.data.get("notice_allowed" if out.notice else "allowed") if permit.visit else None
        if spans:
            within = any(moment(span["starts"]) <= out.at < moment(span["ends"]) for span in spans)
        else:
            opens, closes = (time.fromisoformat(windows[end]) for end in ("opens", "closes"))
            # Across midnight where it closes first, all day where it closes when it opens.
            within = opens <= local <= closes if opens < closes else local >= opens or local <= closes
        if not within:
            when = instant(out.at)
            why = f"{out.way} at {when}, outside of what it allows"
            self._say(out.event, "permit", why, f"{zh(out.way)}于 {when}，不在许可的时段内")

    def _blocks(self, case: CaseRecord, out: Out) -> None:
        known_by = out.intent - self._assumed.leeway
        for block in case.blocks.values():
            if block.stops(out.intent, out.way, out.permit.loans, known_by) and any(
                inside(block.data, out.at.astimezone(zone)) for zone in out.zones
            ):
                when = instant(out.at)
                why_zh = f"{zh(out.way)}于 {when}，在借款人谢绝的时段内"
                self._say(out.event, "block", f"{out.way} at {when}, in blocked hours", why_zh)

    # What is kept.

    def _erasing(self, event: LogEntry, case: CaseRecord) -> None:
        keeping, known_by = case.keeping, event.at - self._assumed.leeway
        for obstacle in sorted({kind for (kind, _), since in keeping.obstacles.items() if since < known_by}):
            self._say(event, "erasure", f"ordered under a {obstacle}", f"下令抹除时仍有{zh(obstacle)}")
        until = keep_until(case, keeping.ended or event.at)
        if event.at < until:
            why = f"erased although the record is to be kept until {until:%Y-%m-%d} at least"
            self._say(event, "retention", why, f"记录至少须保存至 {until:%Y-%m-%d}，却已抹除")

    def _say(self, event: LogEntry, rule: str, why: str, why_zh: str) -> None:
        self.report.violations.append(Violation(event.id, event.case, event.at, rule, why, why_zh))


_UTC = (ZoneInfo("UTC"),)
_PERMITS = ("contact.permitted", "visit.permitted")
_JUDGED: Mapping[str, Callable[[Checker, LogEntry, CaseRecord], None]] = {
    "contact.denied": Checker._denied,
    "visit.denied": Checker._denied,
    "contact.permitted": Checker._permitted,
    "visit.permitted": Checker._permitted,
    "permit.cancelled": Checker._cancelled,
    "contact.started": Checker._started,
    "visit.notice-started": Checker._started,
    "contact.sent": Checker._left,
    "contact.unknown": Checker._left,
    "visit.noticed": Checker._left,
    "visit.notice-failed": Checker._notice_failed,
    "contact.not-sent": Checker._ended,
    "contact.withdrawn": Checker._ended,
    "visit.cancelled": Checker._ended,
    "visit.planned": Checker._planned,
    "visit.started": Checker._visited,
    "erasure.ordered": Checker._erasing,
}
_TELLING = (
    *(*_PERMITS, "contact.started", "contact.sent", "contact.unknown", "contact.receipt", "contact.reply"),
    *("visit.notice-started", "visit.noticed", "visit.notice-failed", "visit.started", "erasure.ordered"),
)
TELLING = tuple(f"doorstep.{name}" for name in _TELLING)
"""The types of events that can be a breach, or make one of what came before."""
RELEVANT = tuple(f"doorstep.{name}" for name in sorted({*TOLD, *_JUDGED} - {"contact.denied", "visit.denied"}))
"""The types of events that bear on a violation."""


def _asked(out: Sequence[Out]) -> Collection[Rules]:
    return dict.fromkeys(rules for one in out for rules in one.permit.book)


def _staff(book: Book) -> int:
    return max((rules.staff for rules in book), default=1)


def _notice_hours(book: Book) -> int:
    return max((rules.notice_hours for rules in book), default=0)


def _same_day(one: datetime, other: datetime, zone: ZoneInfo) -> bool:
    return one.astimezone(zone).date() == other.astimezone(zone).date()


def _permit_id(event: LogEntry) -> str:
    return str(event.data.get("permit_id") or event.data.get("visit_id"))
