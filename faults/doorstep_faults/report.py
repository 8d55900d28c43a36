"""What a run did and found, as a page."""

from collections.abc import Sequence

from doorstep_faults.faults import FAULTS
from doorstep_faults.run import Report

MANY = 20
"""Of what is wrong with one promise, so many are shown."""


def written(reports: Sequence[Report]) -> str:
    """In Markdown."""
    return "\n".join([*_summary(reports), *_promises(reports), *_kinds(reports)]) + "\n"


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
