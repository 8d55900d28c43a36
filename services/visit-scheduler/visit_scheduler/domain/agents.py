"""An agent: a field collector as the operator registered them. The stream's key is the agent's own id."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import msgspec
from doorstep.events.values import Language
from doorstep.events.visits import AgentRegistered
from doorstep.kernel.decider import Decider


@dataclass(frozen=True)
class Register:
    """These are the agent's particulars from now on. `regions` are ISO 3166-2 codes, none: everywhere."""

    agent_id: str
    agency: str
    certified_until: date
    languages: tuple[Language, ...]
    regions: tuple[str, ...] = ()
    active: bool = True


class Registration(msgspec.Struct, frozen=True):
    """`last` is what was registered last, None before the first time."""

    last: AgentRegistered | None = None


def decide(state: Registration, command: Register, now: datetime) -> Sequence[AgentRegistered]:
    """The same particulars again are no news."""
    registered = AgentRegistered(
        agent_id=command.agent_id,
        agency=command.agency,
        certified_until=command.certified_until,
        languages=command.languages,
        regions=command.regions,
        active=command.active,
    )
    return () if registered == state.last else (registered,)


def evolve(state: Registration, event: AgentRegistered) -> Registration:
    """Fold one event."""
    return Registration(event)


AGENT: Decider[Registration, Register, AgentRegistered] = Decider("agent", Registration(), Registration, decide, evolve)
