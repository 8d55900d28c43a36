"""The audit hears every topic of ours, keeps the bytes as they came, and rebuilds what happened."""

from collections.abc import Sequence

from doorstep.events.registry import AUDIT, PUBLISHED
from doorstep.kernel.service import Runtime, Service, Worker

from audit.api import api
from audit.cli import commands
from audit.completeness import Completeness
from audit.custody.erasure import DESTROY, DestroyKey, effects
from audit.custody.housekeeping import KeyRetention, Retention
from audit.custody.orders import custody
from audit.log.head import head
from audit.log.keeper import Keeper
from audit.log.scrub import Scrubber
from audit.monitor.violations import violations
from audit.monitor.worker import Monitor
from audit.reading import reading
from audit.views import absorb


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
