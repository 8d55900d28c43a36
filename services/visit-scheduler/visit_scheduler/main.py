"""The service: what it is made of."""

from doorstep.events.registry import ESCALATION, VISITS
from doorstep.kernel.service import Service

from visit_scheduler.api import api
from visit_scheduler.domain.agents import AGENT
from visit_scheduler.domain.decider import VISIT
from visit_scheduler.domain.notices import ARTIFACTS
from visit_scheduler.effects import Notifier, Planner, effects
from visit_scheduler.react import react
from visit_scheduler.views import project

service = Service(
    name="visit-scheduler",
    package="visit_scheduler",
    topic=VISITS,
    listens=(ESCALATION,),
    deciders={"visit": VISIT, "agent": AGENT},
    react=react,
    effects=effects,
    performers={"plan": Planner(), "notice": Notifier()},
    project=project,
    artifacts=lambda _: ARTIFACTS,
    api=api,
)
