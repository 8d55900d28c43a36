"""What whoever speaks to borrowers reads from its environment."""

from pathlib import Path

from pydantic import Field

from doorstep.infra.settings import Settings
from doorstep.kernel.service import Runtime
from doorstep.messaging.gateway import FileGateway, Gateway


class MessagingSettings(Settings):
    """How messages leave, and whom they name."""

    gateway_folder: Path = Field(Path(".doorstep/gateway"), description="where the file gateway writes messages")
    lender_name: str = Field("示例银行 Example Bank", min_length=1, description="as messages name the lender")
    complaints_phone: str = Field("400-000-0000", min_length=3, description="where a borrower can complain")


MessagingRuntime = Runtime[MessagingSettings, Gateway]
"""What the parts of a service that speaks to borrowers are offered."""


def gateway(settings: MessagingSettings) -> Gateway:
    """The way out that the settings choose."""
    return FileGateway(settings.gateway_folder)
