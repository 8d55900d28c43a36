"""The envelope: CloudEvents 1.0 in JSON, encoded once."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from doorstep.events.envelope import Actor, Envelope, decode, derived_id, encode, event_id
from doorstep.events.registry import happened_at
from doorstep.events.reminder import ContactSent, ReceiptRecorded

AT = datetime(2026, 1, 5, 1, 30, tzinfo=UTC)


def envelope(**more: Any) -> Envelope:
    plain: dict[str, Any] = {
        "id": "1",
        "source": "/doorstep/test",
        "type": "test.happened",
        "subject": "case-1",
        "time": AT,
        "recordedat": AT,
        "tenant": "acme",
        "stream": "case/case-1",
        "streamversion": 1,
        "partitionkey": "case-1",
        "correlationid": "fact-1",
        "schemaversion": 1,
        "data": msgspec.Raw(b'{"name":"\xe5\xbc\xa0"}'),
        "actor": Actor(id="doorstep"),
    }
    return Envelope(**plain | more)


def test_it_is_a_cloudevent_with_everything_the_specification_requires() -> None:
    attributes = json.loads(encode(envelope()))
    assert attributes["specversion"] == "1.0"
    assert attributes["datacontenttype"] == "application/json"
    assert {"id", "source", "type", "time", "subject"} <= attributes.keys()
    assert all(name.isalnum() and name.islower() for name in attributes), "CloudEvents names: a-z and 0-9 only"


def test_what_is_encoded_is_decoded_the_same_data_bytes_included() -> None:
    value = encode(envelope(causationid="0", traceparent="00-1-2-01"))
    assert encode(decode(value)) == value
    assert bytes(decode(value).data) == b'{"name":"\xe5\xbc\xa0"}'


def test_a_time_without_a_zone_is_refused() -> None:
    naive = encode(envelope()).replace(b"2026-01-05T01:30:00Z", b"2026-01-05T01:30:00", 1)
    with pytest.raises(msgspec.ValidationError, match="timezone"):
        decode(naive)


@pytest.mark.parametrize("value", [b"", b"{}", b"[]", b"\xff", b'{"specversion":"1.0"', b"null"])
def test_anything_else_is_no_envelope(value: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        decode(value)


def test_an_attribute_of_a_later_release_is_ignored() -> None:
    value = encode(envelope())
    assert encode(decode(value[:-1] + b',"severity":3}')) == value


def test_an_event_keeps_its_id_and_a_new_epoch_never_reuses_one() -> None:
    assert event_id("a", "case/1", 1) == event_id("a", "case/1", 1)
    ids = {event_id(epoch, stream, n) for epoch in "ab" for stream in ("case/1", "case/2") for n in (1, 2)}
    assert len(ids) == 8


def test_a_derived_id_depends_on_all_its_parts() -> None:
    assert derived_id("case-1", "permit", "1") == derived_id("case-1", "permit", "1")
    assert derived_id("case-1", "permit", "1") != derived_id("case-1", "permit", "2")


def test_what_says_when_it_happened_happened_then_and_all_else_when_it_is_recorded() -> None:
    sent = ContactSent(permit_id="p", channel="sms", provider="f", provider_message_id="m", rendered_mac="x")
    assert happened_at(sent, AT) == AT
    earlier = AT - timedelta(hours=1)
    assert happened_at(msgspec.structs.replace(sent, sent_at=earlier), AT) == earlier
    assert happened_at(ReceiptRecorded(permit_id="p", channel="sms", status="delivered", at=earlier), AT) == earlier
