"""`conformance`: any dump of events, held against the rules by the checker that shares nothing with what decides."""

import json
from pathlib import Path
from typing import Annotated

import typer
from conformance.checker import check
from conformance.record import read
from conformance.report import Assumptions, Findings
from conformance.rules import JURISDICTIONS, STALE_AFTER_DAYS
from conformance.rules import jurisdiction as rules_of


def conformance(
    dump: Annotated[Path, typer.Argument(help="events as published, one a line: `doorstep demo --dump`")],
    jurisdiction: Annotated[
        str | None, typer.Option(help="whose rules hold for everyone; without it each decision tells whose were asked")
    ] = None,
    stale_after: Annotated[
        int, typer.Option(min=1, help="days that facts may be old, by the lender's policy")
    ] = STALE_AFTER_DAYS,
    as_json: Annotated[bool, typer.Option("--json", help="the report as one JSON line")] = False,
) -> None:
    """Hold DUMP against the contact rules, independently of what decided. Exit status 1: something is wrong."""
    if jurisdiction is not None and jurisdiction not in JURISDICTIONS:
        raise typer.BadParameter(f"there is no {jurisdiction}; there are {', '.join(JURISDICTIONS)}")
    book = rules_of(jurisdiction) if jurisdiction else None
    try:
        report = check(read(dump), Assumptions(book, stale_after))
    except (OSError, ValueError, KeyError) as error:
        raise typer.BadParameter(f"{dump} is no dump of events: {error}") from None
    typer.echo(json.dumps(report.as_dict()) if as_json else _text(report))
    raise typer.Exit(1 if report.violations else 0)


def _text(report: Findings) -> str:
    wrong = [f"{one.at:%Y-%m-%d %H:%M} {one.case} {one.event}: {one.rule}: {one.why}" for one in report.violations]
    left = ", ".join(f"{count} {way}" for way, count in sorted(report.left.items())) or "nothing"
    crossed = ", ".join(f"{count} {rule}" for rule, count in sorted(report.crossed.items())) or "nothing"
    return "\n".join(
        [
            *wrong,
            f"{report.events} events; left the house: {left}",
            f"crossed in flight: {crossed}; violations: {len(report.violations)}",
        ]
    )
