"""The audit hears every topic of ours, keeps the bytes as they came, and rebuilds what happened.

Its rooms, from the ground up: `store`, `timeline`; `log`, `monitor` and `erasure` beside each other; `presentation`,
which puts a timeline into words; `disclosure`, which shows it to whoever may see it."""

from collections.abc import Sequence

import typer
from doorstep.events.topics import AUDIT, PUBLISHED
from doorstep.kernel.service import Service, Worker
from fastapi import APIRouter

from audit.disclosure import api as disclosure_api
from audit.disclosure import cli as disclosure_cli
from audit.disclosure.domain import disclosure
from audit.disclosure.evidence import api as evidence_api
from audit.disclosure.evidence import cli as evidence_cli
from audit.erasure import api as erasure_api
from audit.erasure import cli as erasure_cli
from audit.erasure.domain import erasure
from audit.erasure.effects import DESTROY, DestroyKey, effects
from audit.erasure.workers import KeyRetention, Retention
from audit.log import api as log_api
from audit.log import cli as log_cli
from audit.log.domain import log_head
from audit.log.scrub import Scrubber
from audit.log.writer import LogWriter
from audit.monitor import api as monitor_api
from audit.monitor import cli as monitor_cli
from audit.monitor.domain import violations
from audit.monitor.workers import Monitor
from audit.store.react import absorb
from audit.store.settings import AuditRuntime, AuditSettings
from audit.timeline import api as timeline_api
from audit.timeline.workers import Completeness

ROUTES = (timeline_api, monitor_api, disclosure_api, erasure_api, evidence_api, log_api)
commands = typer.Typer(no_args_is_help=True, help="Read what the audit keeps.")
commands.command()(disclosure_cli.timeline)
commands.command()(erasure_cli.erase)
commands.command()(monitor_cli.conformance)
commands.add_typer(erasure_cli.legal_hold, name="legal-hold")
commands.add_typer(evidence_cli.commands, name="evidence")
commands.command()(log_cli.witness)
commands.add_typer(log_cli.commands, name="log")


def api(runtime: AuditRuntime) -> APIRouter:
    """The routes of every room; each names who may use it."""
    router = APIRouter(tags=["audit"])
    for room in ROUTES:
        room.routes(router, runtime)
    return router


def workers(runtime: AuditRuntime) -> Sequence[Worker]:
    """The audit's own loops."""
    return [
        LogWriter(runtime),
        Scrubber(runtime),
        Retention(runtime),
        KeyRetention(runtime),
        Monitor(runtime),
        Completeness(runtime),
    ]


service = Service(
    name="audit",
    package="audit.store",
    topic=AUDIT,
    listens=PUBLISHED,
    settings=AuditSettings,
    deciders={one.category: one for one in (disclosure, log_head, erasure, violations)},
    effects=effects,
    performers=lambda runtime: {DESTROY: DestroyKey(runtime.vault)},
    absorb=absorb,
    workers=workers,
    api=api,
    commands=commands,
)
