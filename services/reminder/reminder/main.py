"""Doorstep reminder: carries out permitted contacts."""

from doorstep.events.registry import ESCALATION, REMINDER
from doorstep.kernel.service import Service

from reminder.api import api
from reminder.catalogue import ARTIFACTS
from reminder.domain import CATEGORY, CONTACT
from reminder.effects import SEND, Send, effects
from reminder.react import react
from reminder.views import project

service = Service(
    name="reminder",
    package="reminder",
    topic=REMINDER,
    listens=(ESCALATION,),
    deciders={CATEGORY: CONTACT},
    react=react,
    effects=effects,
    performers={SEND: Send()},
    project=project,
    artifacts=lambda _: ARTIFACTS,
    api=api,
)
