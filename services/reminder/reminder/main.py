"""Doorstep reminder: carries out permitted contacts."""

from doorstep.events.topics import ESCALATION, REMINDER
from doorstep.kernel.service import Service
from doorstep.messaging.settings import MessagingSettings, gateways

from reminder.api import api
from reminder.domain import CATEGORY, CONTACT
from reminder.effects import SEND, Send, effects
from reminder.react import REACTS_TO, react
from reminder.templates import ARTIFACTS
from reminder.views import project

service = Service(
    name="reminder",
    package="reminder",
    topic=REMINDER,
    listens=(ESCALATION,),
    settings=MessagingSettings,
    resources=gateways,
    deciders={CATEGORY: CONTACT},
    react=react,
    reacts_to=REACTS_TO,
    effects=effects,
    performers=lambda runtime: {SEND: Send(runtime)},
    project=project,
    artifacts=lambda _: ARTIFACTS,
    api=api,
)
