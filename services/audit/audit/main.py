"""The audit hears every topic of ours, keeps the bytes as they came, and rebuilds what happened."""

from collections.abc import Sequence

from doorstep.events.registry import AUDIT, PUBLISHED
from doorstep.kernel.service import Runtime, Service, Worker

from audit.disclosure.reading import reading
from audit.erasure.domain import custody
from audit.erasure.effects import DESTROY, DestroyKey, effects
from audit.erasure.workers import KeyRetention, Retention
from audit.log.domain import head
from audit.log.scrub import Scrubber
from audit.log.writer import Keeper
from audit.monitor.violations import violations
from audit.monitor.worker import Monitor
from audit.store.views import absorb
from audit.timeline.api import api
from audit.timeline.cli import commands
from audit.timeline.completeness import Completeness


def workers(runtime: Runtime) -> Sequence[Worker]:
    """The audit's own loops."""
    return [
        Keeper(runtime),
        Scrubber(runtime),
        Retention(runtime),
        KeyRetention(runtime),
        Monitor(runtime),
        Completeness(runtime),
    ]


service = Service(
    name="audit",
    package="audit",
    topic=AUDIT,
    listens=PUBLISHED,
    deciders={one.category: one for one in (reading, head, custody, violations)},
    effects=effects,
    performers={DESTROY: DestroyKey()},
    absorb=absorb,
    workers=workers,
    api=api,
    commands=commands,
)
