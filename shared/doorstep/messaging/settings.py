"""What whoever speaks to borrowers reads from its environment."""

from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from doorstep.infra.settings import Settings
from doorstep.kernel.service import Runtime
from doorstep.messaging.channels import CHANNELS
from doorstep.messaging.gateways import Gateway, Gateways

GROUP: Final = "doorstep.gateways"
"""The entry points that make gateways: from MessagingSettings, and whatever else they read by themselves."""


def _installed(name: str) -> str:
    names = sorted(entry_points(group=GROUP).names)
    if name not in names:
        raise ValueError(f"no gateway is called {name}; there are: {', '.join(names)}")
    return name


Chosen = Annotated[str, AfterValidator(_installed), Field(description="the gateway that carries this channel")]


class MessagingSettings(Settings):
    """How messages leave, and whom they name."""

    gateway_sms: Chosen = "file"
    gateway_voice: Chosen = "file"
    gateway_email: Chosen = "file"
    gateway_push: Chosen = "file"
    gateway_letter: Chosen = "file"
    gateway_folder: Path = Field(Path(".doorstep/gateway"), description="where the gateway `file` writes messages")
    lender_name: str = Field("示例银行 Example Bank", min_length=1, description="as messages name the lender")
    complaints_phone: str = Field("400-000-0000", min_length=3, description="where a borrower can complain")


MessagingRuntime = Runtime[MessagingSettings, Gateways]
"""What the parts of a service that speaks to borrowers are offered."""


def gateways(settings: MessagingSettings) -> Gateways:
    """The way out for each channel, as the settings choose; channels that choose the same one share it."""
    chosen: dict[str, str] = {channel: getattr(settings, f"gateway_{channel}") for channel in CHANNELS}
    made: dict[str, Gateway] = {}
    for one in entry_points(group=GROUP):
        if one.name in chosen.values():
            make: Callable[[MessagingSettings], Gateway] = one.load()
            made[one.name] = make(settings)
    return {channel: made[chosen[channel]] for channel in CHANNELS}
