"""The service: what it is made of."""

from doorstep.events.topics import ESCALATION, VISITS
from doorstep.kernel.service import Service
from doorstep.messaging.settings import MessagingSettings, gateways

from visit_scheduler.api import api
from visit_scheduler.domain.agents import AGENT
from visit_scheduler.domain.decider import VISIT
from visit_scheduler.domain.notices import ARTIFACTS
from visit_scheduler.effects import Notifier, Planner, effects
from visit_scheduler.react import REACTS_TO, react
from visit_scheduler.views import project

service = Service(
    name="visit-scheduler",
    package="visit_scheduler",
    topic=VISITS,
    listens=(ESCALATION,),
    settings=MessagingSettings,
    resources=gateways,
    deciders={"visit": VISIT, "agent": AGENT},
    react=react,
    reacts_to=REACTS_TO,
    effects=effects,
    performers=lambda runtime: {"plan": Planner(runtime), "notice": Notifier(runtime)},
    project=project,
    artifacts=lambda _: ARTIFACTS,
    api=api,
)
