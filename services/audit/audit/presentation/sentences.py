"""Each event as one sentence a person understands."""

import base64
import json
from datetime import UTC, tzinfo

import msgspec
from doorstep.locales.languages import Language
from doorstep.locales.text import LOCALES

from audit.presentation.formatting import SEALED, sentence_of
from audit.store.entry import Entry
from audit.timeline.domain import Gap


def sentence(entry: Entry, language: Language, zone: tzinfo = UTC) -> str:
    """What happened, in one sentence; instants in `zone`. An unknown type is shown raw, and what is no text is said to
    be none."""
    event = entry.event
    said = raw(entry) if event is None else sentence_of(type(event), LOCALES[language]).write(event, zone)
    return said if _is_text(entry.value) else f"{said} {label('no_text', language, count=len(entry.value))}"


def gap_sentence(gap: Gap, language: Language) -> str:
    """Which numbers are missing."""
    numbers = str(gap.first) if gap.first == gap.last else f"{gap.first}–{gap.last}"
    return LOCALES[language].text("gap", count=gap.last - gap.first + 1, numbers=numbers, stream=gap.stream)


def label(name: str, language: Language, **fields: object) -> str:
    """What stands on a page: the label `name`; a word of the closed sets, or `name` itself, where there is none."""
    locale = LOCALES[language]
    return locale.text("labels", name, **fields) if name in locale.groups["labels"] else locale.word(name)


def raw(entry: Entry) -> str:
    """The type and the data as they came, but for what is sealed."""
    try:
        data = json.dumps(_masked(msgspec.json.decode(entry.envelope.data)), ensure_ascii=False)
    except (ValueError, RecursionError):
        data = "…"
    return f"{entry.envelope.type} v{entry.envelope.schemaversion} {data}"


def as_base64(entry: Entry) -> str | None:
    """The whole value as it came, in base64, where it is no text (UTF-8); None where it is."""
    return None if _is_text(entry.value) else base64.b64encode(entry.value).decode()


def _is_text(value: bytes) -> bool:
    try:
        return value.isascii() or bool(value.decode())
    except UnicodeDecodeError:
        return False


def _masked(value: object) -> object:
    match value:
        case {"key_id": _, "commitment": _, "box": _}:
            return SEALED
        case dict():
            return {name: _masked(one) for name, one in value.items()}
        case list():
            return [_masked(one) for one in value]
        case _:
            return value
