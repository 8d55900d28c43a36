"""The audit hears every topic of ours, keeps the bytes as they came, and rebuilds what happened."""

from doorstep.events.registry import AUDIT, PUBLISHED
from doorstep.service import Service

from audit.api import api
from audit.cli import commands
from audit.reading import reading
from audit.views import absorb

service = Service(
    name="audit",
    package="audit",
    topic=AUDIT,
    listens=PUBLISHED,
    deciders={"reading": reading},
    absorb=absorb,
    api=api,
    commands=commands,
)
