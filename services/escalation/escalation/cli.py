"""`backtest` and `explain`: what another policy would have decided, and why a decision is as it is, in the terminal."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
import typer
from doorstep.app import local
from doorstep.app.embedded import policy_folder
from doorstep.app.printing import Lang, progress
from doorstep.events import bounds
from doorstep.events.envelope import Envelope, decode
from doorstep.infra import gc_tuning

from escalation import views
from escalation.backtest.backtest import Period, Replay
from escalation.backtest.recorded import RecordedEvent
from escalation.backtest.report import BacktestReport, shown
from escalation.domain.explanation import explain as explained
from escalation.domain.policy import TENANTS, Policies
from escalation.domain.rules import pack
from escalation.domain.rules.pack import InvalidPolicy, PolicyProblem
from escalation.domain.strategy.strategy import Strategy

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

T = TypeVar("T")
commands = typer.Typer(no_args_is_help=True, help="Understand decisions, and try another policy on the past.")
CHUNK = 5000
Folder = Annotated[Path, typer.Option(help="folder of the embedded system")]


@commands.command()
def backtest(
    first: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="first day decided again")],
    last: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="last day, inclusive")],
    packs: Annotated[Path | None, typer.Option(help="folder of rule packs: added, or in place of their ids")] = None,
    strategy: Annotated[Path | None, typer.Option(help="decision graph, in place of every tenant's")] = None,
    tenants: Annotated[Path | None, typer.Option(help="another tenants.yaml")] = None,
    tenant: Annotated[str | None, typer.Option(help="only this tenant's cases")] = None,
    examples: Annotated[int, typer.Option(min=0, help="of each kind of change")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="end with the report as one JSON line")] = False,
    lang: Lang = "zh",
    folder: Folder = local.FOLDER,
) -> None:
    """Decide the past again under another policy, and show what changes. Nothing is written."""
    if packs is None and strategy is None and tenants is None:
        raise typer.BadParameter("say what is to be different: --packs, --strategy or --tenants")
    if last < first:
        raise typer.BadParameter("--to lies before --from")
    try:
        policies = another(policy_folder(folder), packs, strategy, tenants)
        period = Period(bounds.day(first.date()), bounds.day(last.date()))
        report = asyncio.run(_backtest(policies, period, tenant, examples, folder))
    except InvalidPolicy as error:
        for problem in error.problems:
            typer.echo(str(problem), err=True)
        raise typer.Exit(2) from None
    except (local.NotHere, bounds.OutOfBounds) as error:
        raise typer.BadParameter(str(error)) from None
    for part in shown(report, lang):
        typer.echo(part)
    if as_json:
        typer.echo(msgspec.json.encode(report.as_json(lang)))


@commands.command()
def explain(
    decision_id: Annotated[str, typer.Argument(help="as the timeline and the permits name it")],
    lang: Lang = "zh",
    folder: Folder = local.FOLDER,
) -> None:
    """DECISION_ID, with every reason for it, as a person would say it."""
    try:
        envelope = asyncio.run(_find(decision_id, folder))
    except local.NotHere as error:
        raise typer.BadParameter(str(error)) from None
    if envelope is None:
        typer.echo(
            f"there is no decision {decision_id} here: `doorstep timeline CASE --json` shows the ids of a case's"
            " decisions; --folder names another system",
            err=True,
        )
        raise typer.Exit(1)
    typer.echo(explained(envelope, lang))


def another(base: Path | None, packs: Path | None, strategy: Path | None, tenants: Path | None) -> Policies:
    """The policy in folder `base` (None: the one built in) with these in place of its own. Raises InvalidPolicy with
    every problem of each."""
    problems: list[PolicyProblem] = []
    other = _or(problems, lambda: pack.load(packs) if packs else {})
    graph = _or(problems, lambda: Strategy.load(strategy) if strategy else None)
    whole = _or(problems, lambda: _with_tenants(base, packs, tenants) if tenants else Policies(base))
    if problems or whole is None or other is None:
        raise InvalidPolicy(problems)
    return whole.replaced(other, graph)


def _or(problems: list[PolicyProblem], read: Callable[[], T]) -> T | None:
    try:
        return read()
    except InvalidPolicy as error:
        problems += error.problems
        return None
    except OSError as error:
        problems.append(PolicyProblem(str(error.filename), "$", f"it cannot be read: {error.strerror}"))
        return None


def _with_tenants(base: Path | None, packs: Path | None, tenants: Path) -> Policies:
    """The policy in `base` under other terms, which may name the other packs."""
    with TemporaryDirectory() as folder:
        staged = Path(folder)
        if base is not None:
            shutil.copytree(base, staged, dirs_exist_ok=True)
        if packs is not None:
            shutil.copytree(packs, staged / "packs", dirs_exist_ok=True)
        shutil.copy(tenants, staged / TENANTS)
        return Policies(staged)


async def _backtest(
    policies: Policies, span: Period, tenant: str | None, examples: int, folder: Path
) -> BacktestReport:
    gc_tuning.collect_rarely()
    replay = Replay(policies, span, perf_counter)
    async with local.reading("escalation", folder) as engine, engine.connect() as connection:
        with progress() as moved:
            total = await _count(connection, tenant)
            seconds = 0.0
            async for rows in history(connection, tenant):
                start = perf_counter()
                replay.fold(rows)
                seconds += perf_counter() - start
                moved("read", replay.events, total)
            start = perf_counter()
            for done in replay.run():
                moved("decide", done, replay.heard)
            seconds += perf_counter() - start - replay.deciding
    return BacktestReport.of(replay, span, examples, folding=seconds)


async def history(connection: "AsyncConnection", tenant: str | None) -> AsyncIterator[list[RecordedEvent]]:
    """Everything recorded of cases and tenants, stream by stream."""
    driver = await _driver(connection)
    async with driver.transaction(isolation="repeatable_read", readonly=True):
        cursor = await driver.cursor(_HISTORY, tenant)
        while rows := await cursor.fetch(CHUNK):
            yield [RecordedEvent(*row) for row in rows]


async def _count(connection: "AsyncConnection", tenant: str | None) -> int:
    return int(await (await _driver(connection)).fetchval(_COUNT, tenant))


async def _driver(connection: "AsyncConnection") -> Any:
    return (await connection.get_raw_connection()).driver_connection


async def _find(decision_id: str, folder: Path) -> Envelope | None:
    async with local.reading("escalation", folder) as engine, engine.connect() as connection:
        found = await views.decision(connection, decision_id)
        if found is not None:
            return found
        # Decisions that are older than the table of their places.
        value = await (await _driver(connection)).fetchval(_SEARCH, f'"decision_id":"{decision_id}"'.encode())
        return None if value is None else decode(bytes(value))


_FROM = "from events e join streams s using (stream) where s.category in ('case', 'tenant')"
_OF = "and ($1::text is null or s.tenant = $1)"
_COUNT = f"select count(*) {_FROM} {_OF}"
_HISTORY = f"select s.category, s.tenant, s.id, e.type, e.value {_FROM} {_OF} order by e.stream, e.version"
_SEARCH = (
    "select value from events where type in ('doorstep.contact.permitted', 'doorstep.contact.denied',"
    " 'doorstep.visit.permitted', 'doorstep.visit.denied') and position($1 in value) > 0 limit 1"
)
