"""The timeline as it is shown: one plain value for the API, the page and the command line. Pure."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, tzinfo
from typing import Literal

from doorstep.events.common import Decision, Inputs, Language
from msgspec.structs import asdict

from audit.domain import Flag, Gap, Kind, Line, Timeline
from audit.entry import sealed_in
from audit.figures import SEALED, detail, instant, offset
from audit.sentences import gap_sentence, sentence
from audit.summary import Summary, summary
from audit.words import REASONS, STAGES, word

Opened = Mapping[int, Mapping[str, str]]
"""What was under seal, by position of the entry and name of the field."""
Glance = dict[str, str | int | bool | tuple[str, ...] | None]


@dataclass(frozen=True)
class ShownVerdict:
    """What one rule said. `pack` is whose rule it is; empty: ours, the same everywhere."""

    pack: str
    rule: str
    allowed: bool
    status: str
    source: str
    confidence: str
    detail: str
    earliest_next: str | None


@dataclass(frozen=True)
class ShownPack:
    """A pack of rules as it was; `hash` is the SHA-256 of its content."""

    id: str
    version: str
    hash: str


@dataclass(frozen=True)
class ShownStrategy:
    """The graph that chose the step, as it was, and the way through it."""

    graph: str
    hash: str
    engine: str
    path: tuple[str, ...]


@dataclass(frozen=True)
class ShownOverride:
    """Who chose the step instead, who agreed, and why."""

    override_id: str
    by: str
    approved_by: str
    reason: str


@dataclass(frozen=True)
class ShownDecision:
    """Why something was permitted or denied: the inputs, the packs of rules and each verdict; the graph that chose
    the step, with the path through it, or who did instead."""

    decision_id: str
    step: str
    packs: tuple[ShownPack, ...]
    strategy: ShownStrategy | None
    override: ShownOverride | None
    inputs: dict[str, str]
    verdicts: tuple[ShownVerdict, ...]
    earliest_next: str | None


@dataclass(frozen=True)
class ShownActor:
    """Who caused it."""

    id: str
    role: str
    agency: str | None
    on_behalf_of: str | None


@dataclass(frozen=True)
class ShownEntry:
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


@dataclass(frozen=True)
class ShownLine:
    """An event, or a gap: then only `sentence`, `stream` and the missing numbers tell something."""

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


@dataclass(frozen=True)
class ShownTimeline:
    """A case as of a moment. `zone` is an IANA name; every instant carries its offset."""

    case_id: str
    language: Language
    zone: str
    as_of: datetime | None
    summary: Glance
    lines: tuple[ShownLine, ...]

    def only(self, kind: str) -> "ShownTimeline":
        """The lines of one kind; gaps stay, for nobody knows what is missing."""
        return replace(self, lines=tuple(line for line in self.lines if line.kind in (kind, "gap")))


def present(
    timeline: Timeline,
    language: Language,
    *,
    as_of: datetime | None = None,
    opened: Opened | None = None,
) -> ShownTimeline:
    """`timeline` in `language`; sealed data as «sealed» unless `opened`."""
    shown = opened or {}
    return ShownTimeline(
        case_id=timeline.case_id,
        language=language,
        zone=str(timeline.zone),
        as_of=as_of,
        summary=_glance(summary(timeline), language),
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
    envelope, actor = line.entry.envelope, line.entry.envelope.actor
    occurred = envelope.time.astimezone(zone)
    personal = dict.fromkeys(sealed_in(line.entry.event), SEALED)
    return ShownLine(
        kind=line.kind,
        sentence=sentence(line.entry, language, zone),
        stream=envelope.stream,
        first=envelope.streamversion,
        last=envelope.streamversion,
        type=envelope.type,
        flags=line.flags,
        occurred=occurred,
        recorded=envelope.recordedat.astimezone(zone),
        zone=offset(occurred),
        business_date=line.business_date,
        actor=ShownActor(actor.id, actor.role, actor.agency, actor.on_behalf_of),
        decision=_decision(line.decision, language, zone) if line.decision else None,
        personal=personal | dict(opened.get(line.entry.position, {})) or None,
        entry=_entry(line),
    )


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


def _decision(decision: Decision, language: Language, zone: tzinfo) -> ShownDecision:
    return ShownDecision(
        decision_id=decision.decision_id,
        step=decision.step,
        packs=tuple(ShownPack(**asdict(pack)) for pack in decision.packs),
        strategy=ShownStrategy(**asdict(decision.strategy)) if decision.strategy else None,
        override=ShownOverride(**asdict(decision.override)) if decision.override else None,
        inputs=_inputs(decision.inputs, language, zone),
        verdicts=tuple(
            ShownVerdict(
                pack=v.pack,
                rule=v.rule,
                allowed=v.allowed,
                status=v.status,
                source=v.source,
                confidence=v.confidence,
                detail=detail(v, language),
                earliest_next=instant(v.earliest_next, zone) if v.earliest_next else None,
            )
            for v in decision.verdicts
        ),
        earliest_next=instant(decision.earliest_next, zone) if decision.earliest_next else None,
    )


def _inputs(inputs: Inputs, language: Language, zone: tzinfo) -> dict[str, str]:
    known = {
        "dpd": str(inputs.dpd),
        "bucket": inputs.bucket,
        "amount_overdue": inputs.amount_overdue.text(language),
        "business_date": inputs.business_date.isoformat(),
        "facts_age": str(inputs.facts_age),
        "local_time": instant(inputs.local_time, inputs.local_time.tzinfo or zone),
        "episode": str(inputs.episode),
        "stage": word(inputs.stage, language, STAGES),
        "contacts_today": str(inputs.contacts_today),
        "unanswered": str(inputs.unanswered),
        "willingness": str(inputs.willingness),
        "reasons": _listed([word(code, language, REASONS) for code in inputs.reasons], language),
        "products": _listed(inputs.products, language),
        "segment": inputs.segment or "",
        "countries": _listed(inputs.countries, language),
        "holds": _listed([word(kind, language) for kind in inputs.holds], language),
        "consents": _listed([word(kind, language) for kind in inputs.consents], language),
    }
    # What a decision of before did not know, or there was none of, is not shown.
    return {name: value for name, value in known.items() if value}


def _listed(items: Sequence[str], language: Language) -> str:
    return ("、" if language == "zh-CN" else ", ").join(items)


def _glance(known: Summary, language: Language) -> Glance:
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
        "suspended": known.suspended,
        "late": known.late,
        "missing": known.missing,
    }


def kinds(lines: Sequence[ShownLine]) -> Mapping[str, int]:
    """How many lines each filter would show."""
    found = ("decision", "contact", "visit", "money", "case")
    return {kind: sum(line.kind == kind for line in lines) for kind in found}
