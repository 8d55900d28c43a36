"""Published events for ever: what was written once must be readable by every later release.

Write the file of a new type or version with `python -m tests.contract.test_golden --update`; it never touches
one that exists.
"""

import sys
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest
from doorstep.app import event_docs
from doorstep.events import topics
from doorstep.events.envelope import Actor, Envelope, decode, encode, event_id
from doorstep.events.registry import Event, decode_event

GOLDEN = Path(__file__).parent / "golden"
FILES = sorted(GOLDEN.glob("*.json"))
PUBLISHED = event_docs.published()
AT = datetime(2026, 3, 9, 2, 30, tzinfo=UTC)


def written(path: Path) -> tuple[bytes, Envelope]:
    """The envelope as it is published, and decoded."""
    value = msgspec.json.encode(msgspec.json.decode(path.read_bytes()))
    return value, decode(value)


def path_of(cls: type[Event]) -> Path:
    return GOLDEN / f"{cls.event_type}.v{cls.schema_version}.json"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
class TestGolden:
    """Each golden event."""

    def test_it_is_decoded(self, path: Path) -> None:
        _, envelope = written(path)
        event = decode_event(envelope)
        assert f"{event.event_type}.v{envelope.schemaversion}" == path.stem

    def test_it_is_encoded_as_it_was(self, path: Path) -> None:
        value, envelope = written(path)
        event = decode_event(envelope)
        assert encode(envelope) == value
        if envelope.schemaversion == event.schema_version:
            assert msgspec.json.encode(event) == bytes(envelope.data)

    def test_fields_nobody_knows_yet_are_ignored(self, path: Path) -> None:
        value, envelope = written(path)
        later = msgspec.json.decode(value)
        later["attributeoflater"] = "x"
        later["data"] |= {"field_of_later": {"deep": [1]}}
        assert decode_event(decode(msgspec.json.encode(later))) == decode_event(envelope)

    def test_a_required_field_that_is_missing_is_noticed(self, path: Path) -> None:
        value, envelope = written(path)
        cls = type(decode_event(envelope))
        for field in msgspec.structs.fields(cls):
            if field.required:
                poorer = msgspec.json.decode(value)
                del poorer["data"][field.encode_name]
                with pytest.raises(msgspec.ValidationError, match=field.encode_name):
                    decode_event(decode(msgspec.json.encode(poorer)))


def test_every_type_and_version_has_its_golden_event() -> None:
    expected = {f"{name}.v{version}" for name, cls in PUBLISHED.items() for version in range(1, cls.schema_version + 1)}
    assert {path.stem for path in FILES} == expected, "python -m tests.contract.test_golden --update"


def test_a_service_names_every_type_that_it_reacts_to() -> None:
    from doorstep.app.embedded import installed

    for service in installed():
        read = {one.event_type for one in service.reacts_to}
        for _, envelope in map(written, FILES):
            if envelope.type not in read:
                assert list(service.react(envelope, decode_event(envelope))) == [], f"{service.name}: {envelope.type}"


def test_every_topic_is_written_by_the_service_that_declares_it() -> None:
    from doorstep.app.embedded import installed

    speakers = {service.topic: service.name for service in installed()}
    assert speakers | {topics.LOANS: "escalation"} == event_docs.SPEAKERS


def test_no_two_events_share_a_class_name() -> None:
    names = [cls.__name__ for cls in PUBLISHED.values()]
    assert len(names) == len(set(names))


def example(hint: Any, name: str = "") -> Any:
    """Some value of the type `hint`, with every optional part."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return example(arguments[0], name)
    if origin is Literal:
        return arguments[0]
    if origin in (Union, UnionType):
        return example(next(one for one in arguments if one is not type(None)), name)
    if origin is tuple:
        return (example(arguments[0], name),)
    if hint in _EXAMPLES:
        return _EXAMPLES[hint]
    if hint is str:
        return _TEXTS.get(name, f"some-{name.replace('_', '-')}")
    return hint(
        **{
            key: example(of, key)
            for key, of in get_type_hints(hint, include_extras=True).items()
            if key in _fields(hint)
        }
    )


def _fields(cls: Any) -> tuple[str, ...]:
    fields: tuple[str, ...] = cls.__struct_fields__
    return fields


_EXAMPLES: dict[Any, Any] = {
    int: 7,
    bool: True,
    bytes: bytes(range(12)),
    date: date(2026, 3, 9),
    datetime: AT,
    time: time(9),
    Decimal: Decimal("1520.50"),
}
_TEXTS = {"currency": "CNY", "time_zone": "Asia/Shanghai", "region": "CN-GD", "template_id": "zh-CN/sms/reminder"}


def golden(cls: type[Event]) -> bytes:
    """A whole envelope around an example of `cls`."""
    envelope = Envelope(
        id=event_id("golden", f"case/{cls.event_type}", 1),
        source="/doorstep/escalation",
        type=cls.event_type,
        subject="k5cz2v3jq7m4d6xw",
        time=AT,
        recordedat=AT,
        tenant="demo-bank",
        stream="case/k5cz2v3jq7m4d6xw",
        streamversion=1,
        partitionkey="k5cz2v3jq7m4d6xw",
        correlationid="fact-1",
        schemaversion=cls.schema_version,
        data=msgspec.Raw(msgspec.json.encode(example(cls))),
        actor=Actor(id="wang.li", role="operator", agency="安信调解"),
        causationid="fact-1",
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )
    return msgspec.json.format(encode(envelope), indent=2) + b"\n"


if __name__ == "__main__":
    if sys.argv[1:] != ["--update"]:
        sys.exit(__doc__)
    for missing in (cls for cls in PUBLISHED.values() if not path_of(cls).exists()):
        path_of(missing).write_bytes(golden(missing))
        print(f"wrote {path_of(missing).name}")  # noqa: T201
