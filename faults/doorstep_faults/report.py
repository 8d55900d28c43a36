"""What a run did and found, as a page."""

from collections.abc import Sequence

from doorstep_faults.faults import FAULTS
from doorstep_faults.run import Report

INTRODUCTION = """# Faults, injected and counted

`make faults` runs two processes of each service, a Kafka, a PostgreSQL and a provider, each a process of its own, and
hurts them by a schedule that its seed determines (`ARGS="--seed 7 --faults 60 --mode asked"`). The provider keeps a
ledger of its own, is slow, refuses, loses answers, hangs after it accepted and accepts late, in three modes: it dedupes
on our key, it can be asked by our key, or it does neither. Two tenants use the same ids. Each fault must show from
outside that it hit, or it is tried again and counted as missed. What is checked in the end comes from outside too: the
ledger, the databases and their commit times, the topics, the log's files. `--mutation` puts one of the bugs of
`faults/doorstep_faults/mutations.py` in, which the run must then find. A sample of the kinds is in `make test`.

"Each intent has one end" counts messages of which nobody knows whether they went out as an end: they are never sent
again. "After a stop" allows a quarter of a second between the look and the call.
"""
MANY = 20
"""Of what is wrong with one promise, so many are shown."""


def written(reports: Sequence[Report]) -> str:
    """In Markdown."""
    return "\n".join([*_summary(reports), *_promises(reports), *_kinds(reports)]) + "\n"


def page(reports: Sequence[Report]) -> str:
    """docs/faults.md."""
    return f"{INTRODUCTION}\n{written(reports)}"


def _summary(reports: Sequence[Report]) -> list[str]:
    rows = [
        f"| {one.mode} | {one.seed} | {one.count} | {sum(one.missed.values())} | {one.days} | {one.events:,} |"
        f" {one.sent:,} | {one.unknown} | {one.seconds / 60:.0f} |"
        for one in reports
    ]
    return [
        "| provider | seed | faults that hit | tries that found nothing to hit | days | events | messages taken |"
        " outcome unknown | minutes |",
        "|---|---|---|---|---|---|---|---|---|",
        *rows,
        "",
    ]


def _promises(reports: Sequence[Report]) -> list[str]:
    lines = ["| promise | " + " | ".join(f"{one.mode}: checked, wrong" for one in reports) + " |"]
    lines.append("|---|" + "---|" * len(reports))
    for row in zip(*(one.verdicts for one in reports), strict=True):
        lines.append(f"| {row[0].promise} | " + " | ".join(f"{one.checked:,}, {len(one.wrong)}" for one in row) + " |")
    for one in reports:
        lines += [f"- {one.mode}: {wrong}" for wrong in one.wrong[:MANY]]
    return [*lines, ""]


def _kinds(reports: Sequence[Report]) -> list[str]:
    lines = ["| kind | what it does | hits | for example |", "|---|---|---|---|"]
    for kind, fault in FAULTS.items():
        hits = [shown for one in reports for shown in one.hits.get(kind, ())]
        if hits:
            meaning = " ".join((fault.__doc__ or "").split())
            lines.append(f"| {kind} | {meaning} | {len(hits)} | {hits[0]} |")
    return lines
