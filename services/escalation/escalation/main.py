"""Escalation decides: it owns the case and its ledger, and permits or denies every contact and visit."""

from collections.abc import Mapping
from pathlib import Path

from doorstep.events.topics import AUDIT, ESCALATION, INTAKE, REMINDER, VISITS
from doorstep.infra.settings import Settings, WrongSettings
from doorstep.kernel.service import Service
from pydantic import Field

from escalation.api import api
from escalation.cli import commands
from escalation.domain import tenant
from escalation.domain.assessment.decision_context import DecisionContexts
from escalation.domain.decider import DECIDER
from escalation.domain.policy import Policies
from escalation.domain.rules.pack import InvalidPolicy
from escalation.intake import translate
from escalation.react import REACTS_TO, react
from escalation.views import project
from escalation.workers import LapsedPermits


class EscalationSettings(Settings):
    """What escalation reads from its environment beside what every service does: where its policy lies."""

    policy_folder: Path | None = Field(None, description="packs/, strategies/ and tenants.yaml; empty: those built in")


def policies(settings: EscalationSettings) -> Policies:
    """The policy in the settings' folder. Raises WrongSettings with every problem of every file."""
    try:
        return Policies(settings.policy_folder)
    except InvalidPolicy as error:
        said = f"the policy in {settings.policy_folder} is wrong; mend it and start again:\n{error}"
        raise WrongSettings(said) from None


def contexts(policies: Policies) -> Mapping[str, DecisionContexts]:
    """Cases are decided by the policy and with what tenants control."""
    both = DecisionContexts(policies)
    return {"case": both, "tenant": both}


service = Service(
    name="escalation",
    package="escalation",
    topic=ESCALATION,
    listens=(INTAKE, REMINDER, VISITS, AUDIT),
    settings=EscalationSettings,
    resources=policies,
    deciders={"case": DECIDER, "tenant": tenant.DECIDER},
    translators={INTAKE: translate},
    react=react,
    reacts_to=REACTS_TO,
    project=project,
    contexts=contexts,
    artifacts=lambda policies: policies.artifacts,
    workers=lambda runtime: [LapsedPermits(runtime)],
    api=api,
    commands=commands,
)
