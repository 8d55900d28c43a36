"""Escalation decides: it owns the case and its ledger, and permits or denies every contact and visit."""

from doorstep.events.registry import AUDIT, ESCALATION, INTAKE, REMINDER, VISITS
from doorstep.service import Service

from escalation.api import api
from escalation.domain import DECIDER
from escalation.intake import translate
from escalation.react import react
from escalation.views import project

service = Service(
    name="escalation",
    package="escalation",
    topic=ESCALATION,
    listens=(INTAKE, REMINDER, VISITS, AUDIT),
    deciders={"case": DECIDER},
    translators={INTAKE: translate},
    react=react,
    project=project,
    api=api,
)
