"""Opening personal data, and taking evidence out, are events with a reason."""

from dataclasses import asdict, replace

import pytest
from audit.disclosure.reading import Export, Open, reading
from doorstep.events.audit import EvidenceExported, PersonalDataOpened
from doorstep.kernel.decider import Refused

from tests.support.audit import START
from tests.support.given import given

OPEN = Open(by="wang.li", role="compliance", reason="complaint 17")
OPENED = PersonalDataOpened(by="wang.li", role="compliance", reason="complaint 17")
EXPORT = Export(by="wang.li", role="auditor", reason="court 8", log_size=40, entries=12, manifest="c0ffee")
EXPORTED = EvidenceExported(**asdict(EXPORT))


def test_an_opening_is_recorded_with_who_and_why() -> None:
    given(reading).when(OPEN, START).then(OPENED)


def test_each_opening_is_an_event_of_its_own() -> None:
    happened = given(reading, OPENED).when(OPEN, START).then(OPENED)
    assert happened.state.openings == 2


def test_an_export_is_recorded_with_who_and_why_and_what() -> None:
    given(reading).when(EXPORT, START).then(EXPORTED)


def test_each_export_is_an_event_of_its_own() -> None:
    happened = given(reading, EXPORTED, OPENED).when(EXPORT, START).then(EXPORTED)
    assert (happened.state.exports, happened.state.openings) == (2, 1)


@pytest.mark.parametrize("reason", ["", "   ", " x "])
@pytest.mark.parametrize("command", [OPEN, EXPORT])
def test_without_a_reason_nothing_is_opened_and_nothing_leaves(command: Open | Export, reason: str) -> None:
    with pytest.raises(Refused, match="at least 4 characters"):
        given(reading).when(replace(command, reason=reason), START)
