"""Opening personal data is an event with a reason."""

import pytest
from audit.reading import Open, reading
from audit.testing import START
from doorstep.decider import Refused
from doorstep.events.audit import PersonalDataOpened
from doorstep.testing import given

OPEN = Open(by="wang.li", role="compliance", reason="complaint 17")
OPENED = PersonalDataOpened(by="wang.li", role="compliance", reason="complaint 17")


def test_an_opening_is_recorded_with_who_and_why() -> None:
    given(reading).when(OPEN, START).then(OPENED)


def test_each_opening_is_an_event_of_its_own() -> None:
    happened = given(reading, OPENED).when(OPEN, START).then(OPENED)
    assert happened.state.openings == 2


@pytest.mark.parametrize("reason", ["", "   ", " x "])
def test_without_a_reason_nothing_is_opened(reason: str) -> None:
    with pytest.raises(Refused):
        given(reading).when(Open(by="wang.li", role="compliance", reason=reason), START)
