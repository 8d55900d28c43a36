"""The `doorstep` command. Each service adds its own commands through its Service value."""

import gzip
import json
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Annotated, Any

import typer
import uvicorn

from doorstep.app import access_docs, event_docs, local, openapi
from doorstep.app.embedded import Embedded, Secrets, installed, installed_as
from doorstep.app.printing import printable, progress, table
from doorstep.app.terminal import demand_port, fault, loop
from doorstep.app.terminal import link as login_link
from doorstep.app.terminal import serve as serve_pages
from doorstep.bus.acls import FILE, Acl, acls, script
from doorstep.events import bounds
from doorstep.infra import gc_tuning, telemetry
from doorstep.infra.access import EVERY_TENANT, Access, Role
from doorstep.infra.clock import SystemClock
from doorstep.infra.settings import Settings, WrongSettings
from doorstep.intake import check as checking
from doorstep.intake import mapping, schema
from doorstep.intake.importer import FileRefused, NotConfirmed
from doorstep.kernel import http, parking
from doorstep.kernel.decider import Refused, Unknown
from doorstep.kernel.runtime import Running, arm_failpoint

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
parked = typer.Typer(no_args_is_help=True, help="Messages that wait for a person.")
app.add_typer(parked, name="parked")
kafka = typer.Typer(no_args_is_help=True, help="What an administrator of Kafka has to set up.")
app.add_typer(kafka, name="kafka")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"doorstep {version('doorstep')}")
        raise typer.Exit()


@app.callback()
def _options(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="which release this is")
    ] = False,
) -> None:
    """Collect overdue loans fairly and provably."""


Folder = Annotated[Path, typer.Option(help="folder of the embedded system")]
ServiceName = Annotated[str, typer.Option("--service", help="which service's messages")]


@app.command()
def up(
    port: Annotated[int, typer.Option(help="port of the API and pages")] = 8080, folder: Folder = local.FOLDER
) -> None:
    """All services on this machine: embedded PostgreSQL and bus, real clock."""
    demand_port(port)
    telemetry.configure_logging()
    gc_tuning.collect_rarely()

    async def run() -> None:
        doorstep = Embedded(folder, Secrets.kept_in(folder))
        await doorstep.start(clock=SystemClock())
        typer.echo(f"Doorstep is up. Open {login_link(doorstep.secrets, port)}")
        typer.secho("The link works once, within an hour; `doorstep link` makes another.", dim=True)
        try:
            await serve_pages(doorstep, port)
        finally:
            await doorstep.close()

    loop(run())


@app.command()
def serve(service: Annotated[str, typer.Argument(help="escalation, reminder, visit-scheduler or audit")]) -> None:
    """One service on Kafka and its own database, set up by DOORSTEP_ variables."""
    try:
        chosen = installed_as(service, Settings)
        settings = chosen.settings.read()
        running = Running(chosen, settings)
    except (Unknown, WrongSettings) as error:
        raise fault(str(error)) from None
    telemetry.configure_logging(settings.log_level)
    arm_failpoint(settings)
    gc_tuning.collect_rarely()
    api = http.build([running], Access(settings.jwt_public_key, settings.jwt_issuer))
    uvicorn.run(api, host=settings.http_host, port=settings.http_port, log_level="warning")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="the bank's end-of-day overdue file, .csv or .csv.gz")],
    mapping_file: Annotated[Path | None, typer.Option("--mapping", help="YAML that renames the bank's columns")] = None,
    skip_bad_rows: Annotated[
        bool, typer.Option(help="import the good rows; loans of bad rows stay as they were")
    ] = False,
    confirm: Annotated[bool, typer.Option(help="yes, the file is empty, or has lost many loans")] = False,
    tenant: Annotated[str | None, typer.Option(help="tenant of an empty file")] = None,
    business_date: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="date of an empty file")] = None,
    folder: Folder = local.FOLDER,
) -> None:
    """Take a bank's end-of-day file: a loan that is missing from it is cured."""
    try:
        day = bounds.day(business_date.date()) if business_date else None
    except bounds.OutOfBounds as error:
        raise typer.BadParameter(f"--business-date {error}") from None

    async def run() -> None:
        names = mapping.load(mapping_file) if mapping_file else None
        async with local.desk(folder) as desk:
            with progress() as moved:
                reports = await desk.importer.import_file(
                    file,
                    names,
                    skip_bad_rows=skip_bad_rows,
                    confirm=confirm,
                    tenant=tenant,
                    business_date=day,
                    progress=lambda stage, done: moved(f"rows: {stage}", done, 0),
                )
            for report in reports:
                typer.echo(str(report))
            typer.echo(f"{await desk.publish()} facts published")

    try:
        _run(run())
    except NotConfirmed as error:
        raise fault(f"{error}\nNothing was imported; give --confirm if that is right.") from None
    except (FileRefused, mapping.WrongMapping, OSError) as error:
        raise fault(str(error)) from None


@app.command()
def check(facts: Annotated[Path, typer.Argument(help="a bank's facts, one CloudEvent a line; may be .gz")]) -> None:
    """Hold a bank's facts against the JSON Schema of intake, without a running system."""
    problems = lines = 0

    def counted() -> Iterator[bytes]:
        nonlocal lines
        with gzip.open(facts, "rb") if facts.suffix == ".gz" else facts.open("rb") as file:
            for line in file:
                lines += 1
                yield line

    try:
        for problem in checking.check(counted()):
            problems += 1
            typer.echo(str(problem))
    except (OSError, EOFError) as error:
        raise fault(str(error)) from None
    if problems:
        raise fault(f"{problems} problems in {lines} lines")
    typer.echo(f"{lines} facts, all well-formed")


@app.command("schema")
def schema_(folder: Annotated[Path, typer.Option(help="where to write")] = Path("docs")) -> None:
    """Generate the JSON Schema of intake with its examples, the event catalogue, OpenAPI of each service, who may call
    which route, and who may do what at Kafka."""
    schema.write(folder / "schema")
    event_docs.write(folder)
    openapi.write(folder)
    access_docs.write(folder)
    (folder / FILE).write_text(script(_acls()))
    typer.echo(f"written to {folder}")


@app.command()
def token(
    role: Annotated[Role, typer.Argument(help="what its bearer may do")],
    who: Annotated[str, typer.Option(help="whose name stands in the events")] = "operator@this-machine",
    tenant: Annotated[list[str] | None, typer.Option(help="for this tenant's cases alone; may be repeated")] = None,
    folder: Folder = local.FOLDER,
) -> None:
    """A token for the embedded system's API, good for twelve hours."""
    typer.echo(_secrets(folder).issuer.token(who, role, datetime.now(UTC), tenants=tenant or EVERY_TENANT))


def _secrets(folder: Path) -> Secrets:
    if not (folder / "secrets.json").exists():
        raise fault(f"there is no Doorstep in {folder}; start one with `doorstep up`")
    return Secrets.kept_in(folder)


@app.command()
def link(
    port: Annotated[int, typer.Option(help="port of the API and pages")] = 8080, folder: Folder = local.FOLDER
) -> None:
    """A link to the pages of the embedded system that runs; it works once, within an hour."""
    typer.echo(login_link(_secrets(folder), port))


@kafka.command("acls")
def kafka_acls(
    bootstrap_server: Annotated[str, typer.Option(help="where the brokers listen, host:port")] = "localhost:9092",
    prefix: Annotated[str, typer.Option(help="as in DOORSTEP_TOPIC_PREFIX")] = "",
) -> None:
    """The commands that let each service do what it must, and nobody else write its topic."""
    for acl in _acls(prefix):
        typer.echo(acl.command(bootstrap_server))


def _acls(prefix: str = "") -> Sequence[Acl]:
    return acls({one.name: one.listens for one in installed()}, prefix)


@parked.command("list")
def parked_list(service: ServiceName = "escalation", folder: Folder = local.FOLDER) -> None:
    """What waits, in the order it will be replayed."""

    async def run(running: Running) -> None:
        async with running.engine.connect() as connection:
            waiting = await parking.listing(connection)
        rows = [
            (str(one.id), f"{one.parked_at:%Y-%m-%d %H:%M %Z}", *_shown(one.key, one.case_id or "?", one.reason))
            for one in waiting
        ]
        title = f"parked at {service}: {len(waiting)}"
        typer.echo(table(("id", "since", "key", "case", "reason"), rows, title=title))

    _with(service, folder, run)


@parked.command("show")
def parked_show(parked_id: int, service: ServiceName = "escalation", folder: Folder = local.FOLDER) -> None:
    """One message with its original bytes, opened."""

    async def run(running: Running) -> None:
        async with running.engine.connect() as connection:
            found = await parking.listing(connection, parked_id=parked_id)
        if not found:
            raise fault(f"no message {parked_id} was ever parked at {service}")
        one = found[0]
        key, reason = _shown(one.key, one.reason)
        typer.echo(f"{one.topic}/{one.partition} offset {one.offset}, key {key}, {one.status}: {reason}")
        typer.echo(printable((await parking.opened(running.vault, one)).decode(errors="backslashreplace")))

    _with(service, folder, run)


@parked.command("replay")
def parked_replay(key: str, service: ServiceName = "escalation", folder: Folder = local.FOLDER) -> None:
    """Handle what waits under KEY, as `list` shows it, in order, up to the first message that is still wrong."""

    async def run(running: Running) -> None:
        async with running.engine.connect() as connection:
            waiting = await parking.listing(connection)
        meant = next((one.key for one in waiting if key in (one.key, *_shown(one.key))), key)
        result = await http.replay_key(running, meant, local.whoever().id)
        typer.echo(json.dumps(result, indent=2, ensure_ascii=False))
        if "reason" in result:
            raise typer.Exit(1)

    _with(service, folder, run)


@parked.command("discard")
def parked_discard(
    parked_id: int,
    reason: Annotated[str, typer.Option(help="why it shall never be handled; it is kept")],
    service: ServiceName = "escalation",
    folder: Folder = local.FOLDER,
) -> None:
    """Say that a message shall never be handled. What waits behind it still wants a replay."""

    async def run(running: Running) -> None:
        try:
            await http.discard_one(running, parked_id, local.whoever().id, reason)
        except (Refused, Unknown) as error:
            raise fault(str(error)) from None
        typer.echo(f"message {parked_id} is discarded")

    _with(service, folder, run)


def _shown(*texts: str) -> list[str]:
    # In one line: a line break of theirs could pass for a row of ours.
    return [printable(text).replace("\n", "\\n") for text in texts]


def _with(service: str, folder: Path, work: Callable[[Running], Awaitable[None]]) -> None:
    async def run() -> None:
        async with local.service(service, Settings, folder) as running:
            await work(running)

    _run(run())


def _run(work: Coroutine[Any, Any, None]) -> None:
    telemetry.configure_logging("ERROR")
    try:
        loop(work)
    except (local.NotHere, WrongSettings, Unknown, ConnectionError) as error:
        raise fault(str(error)) from None


for _entry in entry_points(group="doorstep.commands"):
    app.add_typer(_entry.load())
for _service in installed():
    if _service.commands is not None:
        app.add_typer(_service.commands)
