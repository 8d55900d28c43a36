"""What a backtest found, for people and as JSON."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Self

import msgspec
from doorstep.app.printing import table
from doorstep.events.values import Language

from escalation.backtest.backtest import Period, Replay
from escalation.backtest.differences import Differences
from escalation.domain.explanation.explain import difference
from escalation.domain.explanation.phrases import INDEX

KINDS = {
    "contact-now-denied": ("不再进行的联系", "contacts no more"),
    "contact-now-allowed": ("新增的联系", "contacts gained"),
    "visit-lost": ("不再准许的上门", "visits lost"),
    "visit-gained": ("新增的上门", "visits gained"),
    "moved": ("改时间", "at another time"),
    "step-changed": ("改方式", "in another way"),
}
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
    zh = language == "zh-CN"
    folded, decided = report.speeds
    yield (
        f"{report.first} 至 {report.last}：{report.cases:,} 个案件，{report.events:,} 条事件，"
        f"重新评估 {report.decisions:,} 次"
        if zh
        else f"{report.first} to {report.last}: {report.cases:,} cases, {report.events:,} events,"
        f" {report.decisions:,} looks taken again"
    )
    yield _totals(report.found, language)
    if report.found.changed:
        yield _changed(report.found, language)
        yield _by_rule(report.found, language)
    else:
        yield "没有任何决策改变。" if zh else "No decision changes."
    for one in report.found.examples:
        yield (
            f"· {one.case_id}：{difference(one, language)}" if zh else f"· {one.case_id}: {difference(one, language)}"
        )
    if report.refused:
        yield (
            f"有 {report.refused} 项人工操作在新政策下无从进行，已略过。"
            if zh
            else f"{report.refused} steps of people were not possible in this course of things, and are left out."
        )
    yield (
        f"读取 {folded:,.0f} 条事件/秒，决策 {decided:,.0f} 次/秒"
        if zh
        else f"{folded:,.0f} events/s folded, {decided:,.0f} decisions/s"
    )


def _totals(found: Differences, language: Language) -> str:
    both = (found.before, found.after)
    rows = [
        (name if language == "zh-CN" else of, *(f"{getattr(one, of):,}" for one in both))
        for name, of in (("准许的联系", "contacts"), ("准许的上门", "visits"), ("不准", "denials"))
    ]
    rules = sorted(found.before.refusals.keys() | found.after.refusals.keys())
    changed = [name for name in rules if found.before.refusals.get(name, 0) != found.after.refusals.get(name, 0)]
    for name in changed[:SHOWN]:
        label = f"不准：{name}" if language == "zh-CN" else f"refused by {name}"
        rows.append((label, *(f"{one.refusals.get(name, 0):,}" for one in both)))
    return _table(("", ""), ("原政策", "as recorded"), ("新政策", "other policy"), rows=rows, language=language)


def _changed(found: Differences, language: Language) -> str:
    kinds = [kind for kind in KINDS if kind in found.changed]
    rows = [(KINDS[kind][INDEX[language]], f"{found.changed[kind]:,}") for kind in kinds]
    return _table(("变化", "change"), ("数量", "how many"), rows=rows, language=language)


def _by_rule(found: Differences, language: Language) -> str:
    rows = [(KINDS[one.kind][INDEX[language]], one.rule, one.bucket, f"{one.count:,}") for one in found.counts[:SHOWN]]
    if len(found.counts) > SHOWN:
        rows.append((f"… {len(found.counts) - SHOWN}", "", "", ""))
    columns = (("变化", "change"), ("规则", "rule"), ("逾期天段", "bucket"), ("数量", "how many"))
    return _table(*columns, rows=rows, language=language)


def _table(*columns: tuple[str, str], rows: Iterable[Sequence[str]], language: Language) -> str:
    return table([words[INDEX[language]] for words in columns], rows, right={len(columns) - 1})
