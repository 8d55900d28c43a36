"""A tenant's sending controls. Each command three ways: it does its work, it does nothing when repeated, and it knows
when not to."""

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from doorstep.events.escalation.tenants import RampSet, ShadowSet
from doorstep.events.kernel import SendingAllowed, SendingStopped
from doorstep.events.registry import Event
from doorstep.events.values import ContactMethod
from doorstep.kernel.decider import Refused
from escalation.domain.tenant import (
    DECIDER,
    AllowSending,
    Command,
    SendingControls,
    SetRamp,
    SetShadow,
    StopSending,
    tenant_stream,
)
from hypothesis import given as for_all
from hypothesis import strategies as st

from tests.support.given import Given, given

NOW = datetime(2026, 3, 3, 2, 0, tzinfo=UTC)
WHY = "the first week"

shadow = ShadowSet(on=True, reason=WHY)
ramp = RampSet(first_contacts_a_day=50, reason=WHY)


def tenant(*events: Event) -> Given:
    return given(DECIDER, *events)


def stopped(way: ContactMethod | None) -> SendingStopped:
    return SendingStopped(way=way, reason=WHY)


def allowed(way: ContactMethod | None) -> SendingAllowed:
    return SendingAllowed(way=way, reason=WHY)


class TestShadow:
    def test_goes_on_and_off(self) -> None:
        happened = tenant().when(SetShadow(True, WHY), NOW).then(shadow)
        assert happened.state == SendingControls(shadow=True)
        happened.when(SetShadow(False, WHY), NOW).then(ShadowSet(on=False, reason=WHY))

    def test_repeated_changes_nothing(self) -> None:
        tenant(shadow).when(SetShadow(True, "again"), NOW).then_nothing()

    def test_off_before_it_was_ever_on_changes_nothing(self) -> None:
        tenant().when(SetShadow(False, WHY), NOW).then_nothing()


class TestRamp:
    @pytest.mark.parametrize("limit", [0, 50, 1_000_000])
    def test_limits_the_first_contacts_of_a_day(self, limit: int) -> None:
        happened = tenant().when(SetRamp(limit, WHY), NOW)
        happened.then(RampSet(first_contacts_a_day=limit, reason=WHY))
        assert happened.state.ramp == limit

    def test_is_taken_off_by_none(self) -> None:
        happened = tenant(ramp).when(SetRamp(None, WHY), NOW).then(RampSet(first_contacts_a_day=None, reason=WHY))
        assert happened.state == SendingControls()

    def test_repeated_changes_nothing(self) -> None:
        tenant(ramp).when(SetRamp(50, "again"), NOW).then_nothing()
        tenant().when(SetRamp(None, WHY), NOW).then_nothing()

    def test_below_zero_is_refused(self) -> None:
        with pytest.raises(Refused, match="zero or more"):
            tenant().when(SetRamp(-1, WHY), NOW)


class TestStopSending:
    @pytest.mark.parametrize(("way", "switch"), [("sms", "sms"), ("visit", "visit"), (None, "*")])
    def test_stops_a_way_or_all(self, way: ContactMethod | None, switch: str) -> None:
        happened = tenant().when(StopSending(way, WHY), NOW).then(stopped(way))
        assert happened.state == SendingControls(stopped=(switch,))

    def test_repeated_changes_nothing(self) -> None:
        tenant(stopped("sms")).when(StopSending("sms", "again"), NOW).then_nothing()
        tenant(stopped(None)).when(StopSending(None, "again"), NOW).then_nothing()

    def test_of_one_way_is_kept_apart_from_that_of_all(self) -> None:
        happened = tenant(stopped(None)).when(StopSending("voice", WHY), NOW).then(stopped("voice"))
        assert happened.state == SendingControls(stopped=("*", "voice"))


class TestAllowSending:
    @pytest.mark.parametrize("way", ["sms", "visit", None])
    def test_ends_the_stop(self, way: ContactMethod | None) -> None:
        happened = tenant(stopped(way)).when(AllowSending(way, WHY), NOW).then(allowed(way))
        assert happened.state == SendingControls()

    def test_of_all_leaves_a_way_stopped_that_was_stopped_by_itself(self) -> None:
        happened = tenant(stopped("sms"), stopped(None)).when(AllowSending(None, WHY), NOW).then(allowed(None))
        assert happened.state == SendingControls(stopped=("sms",))

    def test_repeated_changes_nothing(self) -> None:
        tenant(stopped("sms"), allowed("sms")).when(AllowSending("sms", "again"), NOW).then_nothing()
        tenant().when(AllowSending(None, WHY), NOW).then_nothing()

    def test_of_one_way_while_all_are_stopped_is_refused_and_says_what_to_do(self) -> None:
        with pytest.raises(Refused, match="stop those that shall stay stopped, then allow all"):
            tenant(stopped(None)).when(AllowSending("sms", WHY), NOW)


COMMANDS: list[Command] = [
    *(SetShadow(on, WHY) for on in (True, False)),
    *(SetRamp(limit, WHY) for limit in (None, 0, 50)),
    *(command(way, WHY) for command in (StopSending, AllowSending) for way in ("sms", "visit", None)),
]


@for_all(st.lists(st.sampled_from(COMMANDS), max_size=12))
def test_a_repeated_command_yields_no_second_event(history: list[Command]) -> None:
    past = tenant()
    for command in history:
        try:
            past = past.when(command, NOW)
        except Refused:
            continue
        with suppress(Refused):
            past.when(command, NOW).then_nothing()
    assert DECIDER.load(DECIDER.dump(past.state)) == past.state


def test_the_stream_is_keyed_apart_from_cases() -> None:
    stream = tenant_stream("demo-bank")
    assert (str(stream), stream.key, stream.tenant) == ("tenant/demo-bank", "tenant-demo-bank", "demo-bank")
