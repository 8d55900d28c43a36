"""Escalation decides: it owns the case and its ledger, and permits or denies every contact and visit."""

from collections.abc import Mapping, Sequence

from doorstep.events.registry import AUDIT, ESCALATION, INTAKE, REMINDER, VISITS
from doorstep.infra.settings import Settings, WrongSettings
from doorstep.kernel.artifacts import Publish
from doorstep.kernel.service import Runtime, Service

from escalation.api import api
from escalation.cli import commands
from escalation.domain import tenant
from escalation.domain.assessment.decision_context import DecisionContexts
from escalation.domain.decider import DECIDER
from escalation.domain.policy import Policies
from escalation.domain.rules.pack import InvalidPolicy
from escalation.intake import translate
from escalation.react import react
from escalation.views import project


def counsel(settings: Settings) -> Mapping[str, DecisionContexts]:
    """Cases are decided by the policy in the settings' folder; tenants hold their reins. Raises WrongSettings with
    every problem of every file."""
    try:
        both = DecisionContexts(Policies(settings.policy_folder))
    except InvalidPolicy as error:
        said = f"the policy in {settings.policy_folder} is wrong; mend it and start again:\n{error}"
        raise WrongSettings(said) from None
    return {"case": both, "tenant": both}


def artifacts(runtime: Runtime) -> Sequence[Publish]:
    """The packs and strategies in force, also after a reload."""
    case = runtime.counsel["case"]
    assert isinstance(case, DecisionContexts)
    return case.policies.artifacts


service = Service(
    name="escalation",
    package="escalation",
    topic=ESCALATION,
    listens=(INTAKE, REMINDER, VISITS, AUDIT),
    deciders={"case": DECIDER, "tenant": tenant.DECIDER},
    translators={INTAKE: translate},
    react=react,
    project=project,
    counsel=counsel,
    artifacts=artifacts,
    api=api,
    commands=commands,
)
