"""`conformance`: any dump of events, held against the rules by the checker that shares nothing with what decides."""

import json
from pathlib import Path
from typing import Annotated

import typer
from conformance.numbers import JURISDICTIONS, STALE_AFTER_DAYS
from conformance.record import read
from conformance.report import Report, Terms
from conformance.watch import check


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
    terms = Terms.of(jurisdiction, stale_after=stale_after) if jurisdiction else Terms(stale_after=stale_after)
    try:
        report = check(read(dump), terms)
    except (OSError, ValueError, KeyError) as error:
        raise typer.BadParameter(f"{dump} is no dump of events: {error}") from None
    typer.echo(json.dumps(report.as_dict()) if as_json else _text(report))
    raise typer.Exit(1 if report.violations else 0)


def _text(report: Report) -> str:
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
