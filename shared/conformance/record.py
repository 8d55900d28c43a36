"""What is known of a case while the record is read: facts as they were told, and when they became known.

Everything has the instant at which it was recorded. What forbids counts from the instant after; what allows counts at
once. So two events of one instant are never held against each other."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from conformance.rules import KNOWN_PACKS, Book, Rules, book_of

Data = Mapping[str, Any]
"""What an event tells, as JSON; its fields are looked up by name, and a wrong one is a violation of its own."""
EVER = datetime.max.replace(tzinfo=UTC)
_NEVER = datetime.min.replace(tzinfo=UTC)


class LogEntry(NamedTuple):
    """One entry of the log. `at` is when it was recorded. `fault`: why nobody can read its data."""

    at: datetime
    id: str
    type: str
    case: str
    tenant: str
    data: Data
    fault: str = ""


def read(path: Path) -> list[LogEntry]:
    """Every event in `path`, one a line, in the order of recording; of one instant, in that of publication."""
    with path.open("rb") as lines:
        return ordered(lines)


def ordered(values: Iterable[str | bytes]) -> list[LogEntry]:
    """Envelopes, as they were published, as events in the order of recording."""
    return sorted(map(event_of, values), key=lambda event: event.at)


def event_of(value: str | bytes) -> LogEntry:
    """An envelope, as it was published, as an event. Data of no shape that we know are left out, and so are those that
    cannot be read, because they are no UTF-8 for example: then `fault` says so. Raises ValueError where not even the
    names of the envelope can be read."""
    try:
        line = json.loads(value)
    except ValueError as error:
        text = value if isinstance(value, str) else value.decode(errors="replace")
        line = json.loads(text, parse_int=str)
        names = moment(line["recordedat"]), line["id"], line["type"].removeprefix("doorstep.")
        return LogEntry(*names, line["subject"], line["tenant"], {}, type(error).__name__)
    kind, data = line["type"].removeprefix("doorstep."), line["data"] if isinstance(line["data"], dict) else {}
    return LogEntry(moment(line["recordedat"]), line["id"], kind, line["subject"], line["tenant"], _kept(kind, data))


def _kept(kind: str, data: Data) -> Data:
    """What is looked at later: a year has half a million events."""
    if kind in ("contact.denied", "visit.denied"):
        refusing = (one for one in data["decision"]["verdicts"] if not one["allowed"] and one["status"] != "draft")
        return {"refused": [f"{one.get('pack') or 'doorstep'}/{one['rule']}" for one in refusing]}
    kept = {name: value for name, value in data.items() if name not in _DROPPED}
    match data.get("decision"):
        case {"packs": packs, "inputs": {"countries": countries}}:
            return {**kept, "packs": packs, "countries": countries}
        case {"packs": packs}:
            return {**kept, "packs": packs}
    return kept


_DROPPED = {"personal", "original", "decision", "terms", "text", "notes", "source", "said_at", "assess_at", "product"}


def moment(text: str) -> datetime:
    """An instant as it stands in an event; at the edge of the calendar, the last or the first there is."""
    told = datetime.fromisoformat(text)
    try:
        return told.astimezone(UTC)
    except OverflowError:
        return EVER if told.year > 1 else _NEVER


def optional(text: str | None) -> datetime:
    """An end that may be open."""
    return moment(text) if text else EVER


@dataclass
class LoanRecord:
    """The bank's latest word on a loan, and payments it does not know of yet: id, when told, paid when."""

    business_date: date = date.min
    since: date = date.max
    cured: datetime | None = None
    payments: dict[str, tuple[datetime, date]] = field(default_factory=dict)

    def told(self, business_date: date) -> None:
        """The bank's books of a day hold every payment made until its end."""
        self.business_date = business_date
        self.payments = {one: (at, paid) for one, (at, paid) in self.payments.items() if paid > business_date}


@dataclass
class Stop:
    """A hold, a block or a consent: known from `known` on, in force from `starts` to `ends` or until it is `lifted`, on
    `ways`, about `loans`; empty means all."""

    known: datetime
    data: Data
    starts: datetime
    ends: datetime = EVER
    lifted: datetime = EVER

    def stops(self, at: datetime, way: str, loans: Iterable[str], known_by: datetime) -> bool:
        """Whether it forbade at `at` what goes this `way` about these loans, and was known before `known_by`."""
        ways, about = self.data.get("ways") or (way,), self.data.get("loans") or loans
        running = self.known < known_by and self.starts <= at < self.ends and at < self.lifted
        return running and way in ways and bool(set(about) & set(loans))

    def allows(self, at: datetime, way: str) -> bool:
        """Whether it was known, and in force, when something went this `way` at `at`."""
        return self.known <= at < min(self.ends, self.lifted) and way in (self.data.get("ways") or (way,))


@dataclass
class PermitRecord:
    """One permit, the rules it was given under, and what became of it."""

    at: datetime
    case: str
    data: Data
    visit: bool
    book: Book
    cancelled: datetime = EVER
    ended: datetime = EVER
    started: datetime | None = None
    slot: datetime | None = None
    noticed: datetime | None = None
    answered: datetime | None = None

    @property
    def way(self) -> str:
        """The channel, or a visit."""
        return "visit" if self.visit else str(self.data["channel"])

    @property
    def loans(self) -> tuple[str, ...]:
        """What it is about."""
        return tuple(self.data["loan_ids"])


@dataclass
class Keeping:
    """What bears on erasing a case: its end (None: it goes on), the event that says so, what stands in the way of an
    erasure and since when, since when nothing did, and when the key was destroyed."""

    ended: datetime | None = None
    ended_by: LogEntry | None = None
    obstacles: dict[tuple[str, str], datetime] = field(default_factory=dict)
    free_since: datetime | None = None
    erased: datetime | None = None

    def frees(self, kind: str, name: str, at: datetime) -> None:
        """An obstacle is gone."""
        self.obstacles.pop((kind, name), None)
        self.free_since = at


@dataclass
class CaseRecord:
    """Everything known of a case. `given` are the rules to hold it against, where they are not told by its own
    permits."""

    given: Book | None = None
    loans: dict[str, LoanRecord] = field(default_factory=dict)
    region: str | None = None
    time_zone: str | None = None
    episode: int = 0
    cured: datetime | None = None
    holds: dict[str, Stop] = field(default_factory=dict)
    blocks: dict[str, Stop] = field(default_factory=dict)
    consents: dict[str, Stop] = field(default_factory=dict)
    suspended: dict[tuple[str, str], datetime] = field(default_factory=dict)
    permits: dict[str, PermitRecord] = field(default_factory=dict)
    without_permit: set[str] = field(default_factory=set)
    keeping: Keeping = field(default_factory=Keeping)

    def permit(self, event: LogEntry) -> PermitRecord:
        """The permit that `event` gives, kept, under the rules of the borrower's place as it is known now."""
        data = event.data
        fresh = PermitRecord(event.at, event.case, data, event.type == "visit.permitted", ())
        permit = self.permits.setdefault(data["permit_id"], fresh)
        place = data.get("region") or self.region
        permit.book = self.given or book_of(data.get("countries", ()), _cited(data), place)
        return permit

    def book(self) -> Book:
        """Every rule that any of its permits was given under; without a permit, those of its place."""
        rules = dict.fromkeys(one for permit in self.permits.values() for one in permit.book)
        return tuple(rules) or self.given or book_of((), (), self.region)

    def known(self) -> bool:
        """Whether we have numbers for every pack of rules that was asked."""
        return {name for permit in self.permits.values() for name, _ in _cited(permit.data)} <= KNOWN_PACKS

    def zones(self, permit: PermitRecord) -> tuple[ZoneInfo, ...]:
        """Where the borrower may be: the known zone, else all of the place's country, else all of those whose rules
        were asked."""
        if self.time_zone:
            return (ZoneInfo(self.time_zone),)
        here = [one for one in permit.book if self.region and one.country == self.region[:2]]
        names = [name for one in here or permit.book for name in one.zones]
        return tuple(ZoneInfo(name) for name in names or [permit.data["windows"]["time_zone"]])

    def business_date(self) -> date:
        """The latest the bank has spoken of."""
        return max((loan.business_date for loan in self.loans.values()), default=date.min)

    def dpd(self, today: date) -> int:
        """Days past due of the oldest missed payment; the first day past due is day 1."""
        return max(((today - one.since).days + 1 for one in self.loans.values() if one.cured is None), default=0)

    def holds_on(self, at: datetime, way: str, loans: Iterable[str], known_by: datetime) -> Iterator[str]:
        """The holds that forbade it."""
        about = tuple(loans)
        yield from (one.data["kind"] for one in self.holds.values() if one.stops(at, way, about, known_by))

    def paid_before(self, at: datetime) -> bool:
        """Whether a payment was known that the bank's books did not hold yet, on a loan that was overdue."""
        open_loans = (loan for loan in self.loans.values() if loan.cured is None)
        return any(told < at for loan in open_loans for told, _ in loan.payments.values())

    def over_before(self, at: datetime) -> bool:
        """Whether it was known that nothing is overdue."""
        cures = [loan.cured for loan in self.loans.values()]
        return bool(cures) and all(cured is not None and cured < at for cured in cures)


def _cited(data: Data) -> Sequence[tuple[str, str]]:
    return [(pack["id"], pack["version"]) for pack in data.get("packs", ())]


@dataclass(frozen=True)
class Out:
    """Something that left the house: a message, a call, a `notice`, or collectors at a door. `zones`: where the
    borrower may have been."""

    event: LogEntry
    at: datetime
    intent: datetime
    way: str
    permit_id: str
    permit: PermitRecord
    zones: tuple[ZoneInfo, ...]
    episode: int
    notice: bool = False

    @property
    def purpose(self) -> str:
        """What a message was for."""
        return "" if self.permit.visit else str(self.permit.data["purpose"])

    def day(self) -> date:
        """The borrower's date; that of the first zone where the zone is not known."""
        return self.at.astimezone(self.zones[0]).date()

    def under(self, rules: Rules) -> bool:
        """Whether it had to keep to `rules`."""
        return rules in self.permit.book
