"""What escalation reads from its environment."""

from pathlib import Path

from doorstep.infra.settings import Settings
from pydantic import Field


class EscalationSettings(Settings):
    """Where its policy lies."""

    policy_folder: Path | None = Field(None, description="packs/, strategies/ and tenants.yaml; empty: those built in")
