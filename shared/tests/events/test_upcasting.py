"""An event of an old version is lifted to the present one, or the service does not start."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from doorstep.events import registry
from doorstep.events.envelope import Actor, Envelope
from doorstep.events.registry import Event, UnknownEvent, decode_event, event, upcast

NAME = "test.parcel-left"


@pytest.fixture
def parcels(monkeypatch: pytest.MonkeyPatch) -> type[Event]:
    """A made-up event in its third version; the registry forgets it afterwards."""
    for table in ("_types", "_decoders", "_upcasts"):
        monkeypatch.setattr(registry, table, dict(getattr(registry, table)))

    @event(NAME, topic="test.parcels", version=3)
    class ParcelLeft(Event, frozen=True):
        """A parcel lies at a door; until version 3 its weight was in pounds, until 2 it had one place only."""

        grams: int
        places: tuple[str, ...]

    return ParcelLeft


def to_places(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "places": [data["place"]]}


def to_grams(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "grams": data["pounds"] * 454}


def envelope(version: int, **data: Any) -> Envelope:
    at = datetime(2026, 1, 5, tzinfo=UTC)
    return Envelope(
        id="1",
        source="/test",
        type=NAME,
        subject="a",
        time=at,
        recordedat=at,
        tenant="acme",
        stream="parcel/a",
        streamversion=1,
        partitionkey="a",
        correlationid="c",
        schemaversion=version,
        data=msgspec.Raw(msgspec.json.encode(data)),
        actor=Actor(id="test"),
    )


def test_every_version_ends_as_the_same_present_event(parcels: Any) -> None:
    upcast(NAME, 1)(to_places)
    upcast(NAME, 2)(to_grams)
    registry.check()
    present = parcels(grams=908, places=("doormat",))
    assert decode_event(envelope(1, pounds=2, place="doormat")) == present
    assert decode_event(envelope(2, pounds=2, places=["doormat"])) == present
    assert decode_event(envelope(3, grams=908, places=["doormat"])) == present


def test_a_gap_in_the_chain_stops_the_start(parcels: Any) -> None:
    upcast(NAME, 1)(to_places)
    with pytest.raises(ValueError, match=r"no upcast for test\.parcel-left v2 -> v3$"):
        registry.check()


def test_every_gap_is_named_at_once(parcels: Any) -> None:
    with pytest.raises(ValueError, match=r"v1 -> v2, test\.parcel-left v2 -> v3"):
        registry.check()


def test_an_upcast_that_gives_no_event_is_noticed(parcels: Any) -> None:
    upcast(NAME, 2)(lambda data: data)
    with pytest.raises(msgspec.ValidationError, match="grams"):
        decode_event(envelope(2, pounds=2, places=["doormat"]))


def test_data_that_lack_what_their_version_required_name_it(parcels: Any) -> None:
    upcast(NAME, 1)(to_places)
    upcast(NAME, 2)(to_grams)
    with pytest.raises(msgspec.ValidationError, match="`place` of v1"):
        decode_event(envelope(1, pounds=2))


def test_data_of_another_shape_do_not_fit_and_are_not_quoted(parcels: Any) -> None:
    upcast(NAME, 2)(to_grams)
    with pytest.raises(msgspec.ValidationError, match=r"^data do not fit test\.parcel-left v2$"):
        decode_event(envelope(2, pounds={"张三": 1}, places=["doormat"]))


def test_a_version_from_the_future_says_what_to_do(parcels: Any) -> None:
    with pytest.raises(UnknownEvent, match=r"v4 is newer than v3.*upgrade it, then replay"):
        decode_event(envelope(4))


def test_an_unknown_type_says_what_to_do() -> None:
    with pytest.raises(UnknownEvent, match=r"unknown event type test\.parcel-left.*replay"):
        decode_event(envelope(1))


def test_a_name_is_registered_once(parcels: Any) -> None:
    with pytest.raises(ValueError, match="registered twice"):
        event(NAME, topic=None)(type("Again", (Event,), {}, frozen=True))


def test_every_event_of_ours_can_be_read_at_start() -> None:
    registry.check()
    assert "doorstep.personal-data.opened" in registry.known()
