"""The timeline as it is shown: one plain value for the API, the page and the command line. Pure."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from itertools import groupby
from typing import Literal

import msgspec
from doorstep.events.envelope import Actor
from doorstep.events.values import Decision, Inputs, Language, Override, PackRef, StrategyRef
from doorstep.locales.text import LOCALES, Locale

from audit.presentation.formatting import SEALED, breach, detail, instant, local, offset
from audit.presentation.sentences import as_base64, gap_sentence, label, sentence
from audit.store.entry import Entry, sealed_in
from audit.timeline.disputes import RecordedDispute
from audit.timeline.domain import Flag, Gap, Kind, Line, Timeline
from audit.timeline.summary import CaseSummary, summary

Opened = Mapping[int, Mapping[str, str]]
"""What was under seal, by position of the entry and name of the field."""
Glance = dict[str, str | int | bool | tuple[str, ...] | None]


class ShownVerdict(msgspec.Struct, frozen=True, gc=False):
    """What one rule said. `pack` is whose rule it is; empty: ours, the same everywhere."""

    pack: str
    rule: str
    allowed: bool
    status: str
    source: str
    confidence: str
    detail: str
    earliest_next: str | None


class ShownDecision(msgspec.Struct, frozen=True, gc=False):
    """Why something was permitted or denied: the inputs, the packs of rules and each verdict; the graph that chose
    the step, with the path through it, or who did instead."""

    decision_id: str
    step: str
    packs: tuple[PackRef, ...]
    strategy: StrategyRef | None
    override: Override | None
    inputs: dict[str, str]
    verdicts: tuple[ShownVerdict, ...]
    earliest_next: str | None


class ShownActor(msgspec.Struct, frozen=True, gc=False):
    """Who caused it."""

    id: str
    role: str
    agency: str | None
    on_behalf_of: str | None


class ShownEntry(msgspec.Struct, frozen=True, gc=False):
    """Where the original bytes lie, what they hash to, and which event caused this one."""

    position: int
    topic: str
    partition: int
    offset: int
    absorbed: datetime
    sha256: str
    event_id: str
    version: int
    caused_by: str | None
    correlation: str


class ShownLine(msgspec.Struct, frozen=True, gc=False):
    """An event, or a gap: then only `sentence`, `stream` and the missing numbers tell something. What it `corrects`,
    what it is `corrected_by`, what it `conflicts_with` and what it only `repeats` are positions of entries.
    `violations`: the rules it broke, and why. `ledger`: the line of the ledger that only repeats this one, where the
    two are told as one. `base64`: the whole value as it came, where it is no text."""

    kind: Kind | Literal["gap"]
    sentence: str
    stream: str
    first: int
    last: int
    type: str | None = None
    flags: tuple[Flag, ...] = ()
    occurred: datetime | None = None
    recorded: datetime | None = None
    zone: str | None = None
    business_date: date | None = None
    actor: ShownActor | None = None
    decision: ShownDecision | None = None
    personal: dict[str, str] | None = None
    entry: ShownEntry | None = None
    corrects: tuple[int, ...] = ()
    corrected_by: tuple[int, ...] = ()
    conflicts_with: tuple[int, ...] = ()
    violations: tuple[str, ...] = ()
    repeats: int | None = None
    ledger: "ShownLine | None" = None
    base64: str | None = None

    @property
    def positions(self) -> Sequence[int]:
        """Of the entries behind it; none behind a gap."""
        return [line.entry.position for line in (self, self.ledger) if line and line.entry]

    @property
    def apart(self) -> bool:
        """Whether it was recorded at another moment than it happened."""
        if self.occurred is None or self.recorded is None:
            return False
        return abs(self.recorded - self.occurred) >= timedelta(seconds=1)

    @property
    def links(self) -> Sequence[tuple[str, tuple[int, ...]]]:
        """What stands beside it: the name of a label, and the positions of the entries. Decisions stand as they were
        made, so nothing corrects them."""
        named = (
            ("looks_again_at" if "reevaluated" in self.flags else "corrects", self.corrects),
            ("looked_again_by" if self.decision else "corrected_by", self.corrected_by),
            ("conflicts_with", self.conflicts_with),
        )
        return [(name, positions) for name, positions in named if positions]


class ShownTimeline(msgspec.Struct, frozen=True, gc=False):
    """A case as of a moment. `zone` is an IANA name; every instant carries its offset. `size`: it rests on the first so
    many entries of the log."""

    case_id: str
    tenant: str
    language: Language
    zone: str
    as_of: datetime | None
    size: int
    summary: Glance
    lines: tuple[ShownLine, ...]

    def only(self, kind: str) -> "ShownTimeline":
        """The lines of one kind; gaps stay, for nobody knows what is missing."""
        return msgspec.structs.replace(self, lines=tuple(line for line in self.lines if line.kind in (kind, "gap")))

    def merged(self) -> "ShownTimeline":
        """What only repeats another line told with it as one, the facts of both behind it."""
        ledger = {line.repeats: line for line in self.lines if line.repeats is not None}
        lines = [_with_ledger(line, ledger, self.language) for line in self.lines if line.repeats is None]
        return msgspec.structs.replace(self, lines=tuple(lines))


def _with_ledger(line: ShownLine, ledger: Mapping[int, ShownLine], language: Language) -> ShownLine:
    booked = ledger.get(line.entry.position) if line.entry else None
    if booked is None:
        return line
    return msgspec.structs.replace(line, sentence=line.sentence + label("in_ledger", language), ledger=booked)


def present(
    timeline: Timeline,
    language: Language,
    *,
    as_of: datetime | None = None,
    opened: Opened | None = None,
) -> ShownTimeline:
    """`timeline` in `language`, a line for each entry; sealed data as «sealed» unless `opened`."""
    shown = opened or {}
    return ShownTimeline(
        case_id=timeline.case_id,
        language=language,
        tenant=timeline.tenant,
        zone=str(timeline.zone),
        as_of=as_of,
        size=timeline.size,
        summary=_glance(summary(timeline), language, timeline.zone),
        lines=tuple(
            _gap(line, language) if isinstance(line, Gap) else _line(line, language, timeline.zone, shown)
            for line in timeline.lines
        ),
    )


def _gap(gap: Gap, language: Language) -> ShownLine:
    return ShownLine(
        kind="gap", sentence=gap_sentence(gap, language), stream=gap.stream, first=gap.first, last=gap.last
    )


def _line(line: Line, language: Language, zone: tzinfo, opened: Opened) -> ShownLine:
    envelope = line.entry.envelope
    occurred = local(envelope.time, zone)
    # In the order of the fields: by their names costs half a millisecond in a thousand lines.
    return ShownLine(
        line.kind,
        sentence(line.entry, language, zone),
        envelope.stream,
        envelope.streamversion,
        envelope.streamversion,
        envelope.type,
        line.flags,
        occurred,
        local(envelope.recordedat, zone),
        offset(occurred),
        line.business_date,
        _actor(envelope.actor),
        _decision(line.decision, LOCALES[language], zone) if line.decision else None,
        _personal(line.entry, opened),
        _entry(line),
        line.corrects,
        line.corrected_by,
        line.conflicts_with,
        tuple([breach(one, LOCALES[language]) for one in line.violations]),
        line.repeats,
        None,
        as_base64(line.entry),
    )


def _personal(entry: Entry, opened: Opened) -> dict[str, str] | None:
    sealed = sealed_in(entry.event)
    return {**dict.fromkeys(sealed, SEALED), **opened.get(entry.position, {})} if sealed else None


@lru_cache(maxsize=1000)
def _actor(actor: Actor) -> ShownActor:
    return ShownActor(actor.id, actor.role, actor.agency, actor.on_behalf_of)


def _entry(line: Line) -> ShownEntry:
    entry, envelope = line.entry, line.entry.envelope
    return ShownEntry(
        position=entry.position,
        topic=entry.topic,
        partition=entry.partition,
        offset=entry.offset,
        absorbed=entry.absorbed_at,
        sha256=hashlib.sha256(entry.value).hexdigest(),
        event_id=envelope.id,
        version=envelope.schemaversion,
        caused_by=envelope.causationid,
        correlation=envelope.correlationid,
    )


def _decision(decision: Decision, locale: Locale, zone: tzinfo) -> ShownDecision:
    return ShownDecision(
        decision_id=decision.decision_id,
        step=decision.step,
        packs=decision.packs,
        strategy=decision.strategy,
        override=decision.override,
        inputs=_inputs(decision.inputs, locale, zone),
        verdicts=tuple(
            ShownVerdict(
                v.pack,
                v.rule,
                v.allowed,
                v.status,
                v.source,
                v.confidence,
                detail(v, locale),
                instant(v.earliest_next, zone) if v.earliest_next else None,
            )
            for v in decision.verdicts
        ),
        earliest_next=instant(decision.earliest_next, zone) if decision.earliest_next else None,
    )


def _inputs(inputs: Inputs, locale: Locale, zone: tzinfo) -> dict[str, str]:
    known = {
        "dpd": str(inputs.dpd),
        "bucket": inputs.bucket,
        "amount_overdue": inputs.amount_overdue.text(locale.language),
        "business_date": inputs.business_date.isoformat(),
        "facts_age": str(inputs.facts_age),
        "local_time": instant(inputs.local_time, inputs.local_time.tzinfo or zone),
        "episode": str(inputs.episode),
        "stage": locale.word(inputs.stage, "stages"),
        "contacts_today": str(inputs.contacts_today),
        "unanswered": str(inputs.unanswered),
        "willingness": str(inputs.willingness),
        "reasons": locale.listed(locale.word(code, "willingness") for code in inputs.reasons),
        "products": locale.listed(inputs.products),
        "segment": inputs.segment or "",
        "countries": locale.listed(inputs.countries),
        "holds": locale.listed(map(locale.word, inputs.holds)),
        "consents": locale.listed(map(locale.word, inputs.consents)),
    }
    # What a decision of before did not know, or there was none of, is not shown.
    return {name: value for name, value in known.items() if value}


def _glance(known: CaseSummary, language: Language, zone: tzinfo) -> Glance:
    return {
        "status": known.status,
        "episode": known.episode,
        "dpd": known.dpd,
        "overdue": tuple(money.text(language) for money in known.overdue),
        "permitted": known.permitted,
        "denied": known.denied,
        "sent": known.sent,
        "visited": known.visited,
        "holds": known.holds,
        "disputes": tuple(dispute_in_a_line(one, language, zone) for one in known.disputes),
        "suspended": known.suspended,
        "late": known.late,
        "missing": known.missing,
        "violations": known.violations,
    }


def who(line: ShownLine, language: Language) -> Sequence[str]:
    """Who caused it, in which role, of which agency and on whose behalf; nobody caused a gap."""
    actor = line.actor
    if actor is None:
        return []
    agency = f", {actor.agency}" if actor.agency else ""
    behalf = f" → {actor.on_behalf_of}" if actor.on_behalf_of else ""
    return [f"{actor.id} ({label(actor.role, language)}{agency}{behalf})"]


def notes(line: ShownLine, language: Language) -> Sequence[str]:
    """What stands small below the sentence: when it happened, where that is not when it was recorded, the business
    date, and the places in the log of what stands beside it."""
    told = []
    if line.apart and line.occurred:
        told.append(f"{label('occurred', language)} {instant(line.occurred, line.occurred.tzinfo or UTC)}")
    if line.business_date:
        told.append(f"{label('business_date', language)} {line.business_date}")
    for name, positions in line.links:
        told.append(f"{label(name, language)} " + ", ".join(f"#{position}" for position in positions))
    return [*told, *(f"{label('violation', language)}: {one}" for one in line.violations)]


def days(lines: Sequence[ShownLine]) -> Sequence[tuple[str, Sequence[ShownLine]]]:
    """By the local day they were recorded on; a gap belongs to the day of what follows it."""
    dated: list[tuple[str, ShownLine]] = []
    day = ""
    for line in reversed(lines):
        day = line.recorded.date().isoformat() if line.recorded else day
        dated.append((day, line))
    dated.reverse()
    return [(day, [line for _, line in group]) for day, group in groupby(dated, key=lambda one: one[0])]


def dispute_in_a_line(dispute: RecordedDispute, language: Language, zone: tzinfo) -> str:
    """An open dispute with its deadlines, in a line."""
    locale = LOCALES[language]
    deadlines = locale.clauses(_deadlines(dispute, locale, zone))
    return locale.text("dispute", about=locale.word(dispute.about), deadlines=deadlines)


def _deadlines(dispute: RecordedDispute, locale: Locale, zone: tzinfo) -> Iterator[str]:
    if dispute.answered_at:
        yield locale.text("dispute", "answered")
    for name, at in dispute.due().items():
        said = "missed" if name in dispute.missed else "deadline"
        yield locale.text("dispute", said, deadline=locale.word(name), by=instant(at, zone))


def kinds(lines: Sequence[ShownLine]) -> Mapping[str, int]:
    """How many lines each filter would show."""
    found = ("decision", "contact", "visit", "money", "case")
    return {kind: sum(line.kind == kind for line in lines) for kind in found}
