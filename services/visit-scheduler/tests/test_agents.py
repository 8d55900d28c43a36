"""Registering agents."""

from dataclasses import replace
from datetime import date

from doorstep.events.visits import AgentRegistered
from visit_scheduler.domain.agents import AGENT, Register

from tests.support.given import given
from tests.support.visits import NOW

LIN = Register("A-017", "Harbour Collections", date(2027, 6, 30), ("zh-CN",), ("CN-SH",))
registered = AgentRegistered(
    agent_id="A-017",
    agency="Harbour Collections",
    certified_until=date(2027, 6, 30),
    languages=("zh-CN",),
    regions=("CN-SH",),
)


def test_an_agent_is_registered() -> None:
    given(AGENT).when(LIN, NOW).then(registered)


def test_the_same_particulars_again_change_nothing() -> None:
    given(AGENT, registered).when(LIN, NOW).then_nothing()


def test_new_particulars_replace_the_old_ones() -> None:
    given(AGENT, registered).when(replace(LIN, active=False), NOW).then_types(AgentRegistered)
