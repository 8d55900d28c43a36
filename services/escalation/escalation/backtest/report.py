"""What a backtest found, for people and as JSON."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Self, get_args

import msgspec
from doorstep.app.printing import table
from doorstep.events.values import ContactMethod, Language
from doorstep.locales.text import LOCALES, Locale

from escalation.backtest.backtest import Period, Replay
from escalation.backtest.differences import DecisionChange, Differences, Kind
from escalation.backtest.recorded import Refusal
from escalation.domain.explanation import clock

SHOWN = 30
"""Lines of a table; the JSON has all."""


class BacktestReport(msgspec.Struct, frozen=True, kw_only=True):
    """Differences between `first` and `last`, and how much work they were: `folding` and `deciding` in seconds.
    `refused` are steps of people that were not possible in the other course of things."""

    first: date
    last: date
    cases: int
    events: int
    decisions: int
    refused: int
    folding: float
    deciding: float
    found: Differences

    @classmethod
    def of(cls, replay: Replay, span: Period, examples: int, folding: float) -> Self:
        """That of a replay which has been run."""
        return cls(
            first=span.first,
            last=span.last,
            cases=len(replay.cases),
            events=replay.events,
            decisions=replay.decisions,
            refused=sum(case.refused for case in replay.cases.values()),
            folding=folding,
            deciding=replay.deciding,
            found=replay.differences(examples),
        )

    @property
    def speeds(self) -> tuple[float, float]:
        """Events folded, and cases decided on, in a second of each."""
        return self.events / max(self.folding, 1e-9), self.decisions / max(self.deciding, 1e-9)

    def as_json(self, language: Language) -> dict[str, object]:
        """Everything, with a sentence for each example."""
        told = [{**msgspec.to_builtins(one), "sentence": difference(one, language)} for one in self.found.examples]
        folded, decided = self.speeds
        speeds = {"events_per_second": round(folded), "decisions_per_second": round(decided)}
        whole: dict[str, object] = msgspec.to_builtins(self)
        found: dict[str, object] = msgspec.to_builtins(self.found)
        return {**whole, **speeds, "found": {**found, "examples": told}}


def shown(report: BacktestReport, language: Language) -> Iterator[str]:
    """The report, part by part."""
    locale, found = LOCALES[language], report.found
    counts = {name: f"{getattr(report, name):,}" for name in ("cases", "events", "decisions")}
    yield _say(locale, "span", first=report.first, last=report.last, **counts)
    yield _totals(found, locale)
    if found.changed:
        yield _changed(found, locale)
        yield _by_rule(found, locale)
    else:
        yield _say(locale, "same")
    for one in found.examples:
        yield _say(locale, "example", case_id=one.case_id, change=difference(one, language))
    if report.refused:
        yield _say(locale, "refused", count=report.refused)
    folded, decided = report.speeds
    yield _say(locale, "speed", folded=f"{folded:,.0f}", decided=f"{decided:,.0f}")


def difference(change: DecisionChange, language: Language) -> str:
    """One changed decision, in a sentence."""
    locale, zone = LOCALES[language], change.local.tzinfo
    said = locale.text(
        "change",
        change.kind,
        way=locale.word(change.way),
        to_way=locale.word(change.to_way or ""),
        at=clock(change.at.astimezone(zone)),
        to=clock(change.to_at.astimezone(zone)) if change.to_at else "",
        bucket=change.bucket,
    )
    if not change.refusals:
        reason = "unwanted" if change.kind in ("contact-now-denied", "visit-lost") else "wanted"
        return locale.text("change", reason, change=said, step=change.step)
    reason = "denied" if change.kind in ("contact-now-allowed", "visit-gained") else "because"
    why = locale.clauses(_why(one, change.way, locale) for one in change.refusals)
    return locale.text("change", reason, change=said, why=why)


def _why(refusal: Refusal, way: ContactMethod, locale: Locale) -> str:
    form, other = ("refusal", "") if refusal.way == way else ("refusal_of", locale.word(refusal.way))
    return locale.text("change", form, rule=refusal.rule, way=other, detail=locale.recorded(refusal.en, refusal.zh))


def _say(locale: Locale, name: str, **fields: object) -> str:
    return locale.text("backtest", name, **fields)


def _totals(found: Differences, locale: Locale) -> str:
    both = (found.before, found.after)
    rows = [
        (_say(locale, name), *(f"{getattr(one, name):,}" for one in both)) for name in ("contacts", "visits", "denials")
    ]
    rules = sorted(found.before.refusals.keys() | found.after.refusals.keys())
    changed = [name for name in rules if found.before.refusals.get(name, 0) != found.after.refusals.get(name, 0)]
    for name in changed[:SHOWN]:
        label = _say(locale, "refused_by", rule=name)
        rows.append((label, *(f"{one.refusals.get(name, 0):,}" for one in both)))
    return _table("", _say(locale, "before"), _say(locale, "after"), rows=rows)


def _changed(found: Differences, locale: Locale) -> str:
    kinds = [kind for kind in get_args(Kind) if kind in found.changed]
    rows = [(_say(locale, kind), f"{found.changed[kind]:,}") for kind in kinds]
    return _table(*(_say(locale, name) for name in ("change", "count")), rows=rows)


def _by_rule(found: Differences, locale: Locale) -> str:
    rows = [(_say(locale, one.kind), one.rule, one.bucket, f"{one.count:,}") for one in found.counts[:SHOWN]]
    if len(found.counts) > SHOWN:
        rows.append((f"… {len(found.counts) - SHOWN}", "", "", ""))
    return _table(*(_say(locale, name) for name in ("change", "rule", "bucket", "count")), rows=rows)


def _table(*columns: str, rows: Iterable[Sequence[str]]) -> str:
    return table(columns, rows, right={len(columns) - 1})
