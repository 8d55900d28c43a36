"""How a bank's own columns are called: a small YAML file instead of a program."""

import codecs
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from pathlib import Path

import msgspec
import yaml

REQUIRED = (
    "tenant",
    "loan_id",
    "borrower_id",
    "borrower_name",
    "phone",
    "product",
    "currency",
    "principal_outstanding",
    "amount_overdue",
    "overdue_since",
    "business_date",
)
OPTIONAL = ("email", "push_token", "address", "latitude", "longitude", "region", "time_zone", "language", "segment")
COLUMNS = REQUIRED + OPTIONAL
"""The columns of an overdue file, by our names."""


class WrongMapping(Exception):
    """The message names everything wrong in a mapping file, and what is known instead."""


class ColumnMapping(msgspec.Struct, frozen=True, kw_only=True):
    """`columns` gives the bank's name for ours; `defaults` fills a column that is absent or empty.
    `date_format` is a strptime pattern (default: 2026-01-31), `encoding` a Python codec name."""

    columns: dict[str, str] = {}
    defaults: dict[str, str] = {}
    date_format: str = "%Y-%m-%d"
    encoding: str = "utf-8-sig"
    delimiter: str = ","

    def name(self, column: str) -> str:
        """What the bank calls our `column`."""
        return self.columns.get(column, column)


def load(path: Path) -> ColumnMapping:
    """Raises WrongMapping, also when the file cannot be read."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WrongMapping(f"cannot read {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise WrongMapping(f"{path} is not YAML: {error}") from None
    return mapping({} if content is None else content)


def mapping(content: object) -> ColumnMapping:
    """The mapping that a YAML document's `content` describes. Raises WrongMapping."""
    if not isinstance(content, Mapping):
        raise WrongMapping("a mapping file is a list of `key: value` lines; known keys: " + ", ".join(_KEYS))
    problems = [*_unknown("", content, _KEYS), *_sections(content)]
    if not problems:
        problems = [*_unreadable(content)]
    if problems:
        raise WrongMapping("; ".join(problems))
    made: ColumnMapping = msgspec.convert(content, ColumnMapping)
    return _without_mark(made)


_KEYS = ColumnMapping.__struct_fields__


def _sections(content: Mapping[object, object]) -> Iterator[str]:
    for section in ("columns", "defaults"):
        inner = content.get(section, {})
        if not isinstance(inner, Mapping):
            yield f"{section}: want `our_column: value` lines under it"
            continue
        yield from _unknown(f"{section}.", inner, COLUMNS)
        for key, value in inner.items():
            if not isinstance(value, str):
                yield f"{section}.{key}: want text; put the value in quotes"


def _unknown(prefix: str, found: Mapping[object, object], known: tuple[str, ...]) -> Iterator[str]:
    strange = [f"{prefix}{key}" for key in found if key not in known]
    if strange:
        yield f"unknown {', '.join(strange)} (known: {', '.join(known)})"


def _unreadable(content: Mapping[object, object]) -> Iterator[str]:
    texts = {}
    for key in ("date_format", "encoding", "delimiter"):
        text = content.get(key, getattr(ColumnMapping(), key))
        if not isinstance(text, str):
            yield f"{key}: want text; put the value in quotes"
            return
        texts[key] = text
    if not _names_a_day(texts["date_format"]):
        yield "date_format: want year, month and day as in %Y-%m-%d or %Y%m%d"
    if not _known_codec(texts["encoding"]):
        yield "encoding: want a codec name such as utf-8 or gb18030"
    if len(texts["delimiter"]) != 1:
        yield 'delimiter: want one character, such as ";" or "\\t"'


def _names_a_day(pattern: str) -> bool:
    day = date(1987, 10, 23)
    try:
        return datetime.strptime(day.strftime(pattern), pattern).date() == day  # noqa: DTZ007
    except ValueError:
        return False


def _known_codec(name: str) -> bool:
    try:
        return codecs.lookup(name)._is_text_encoding
    except LookupError:
        return False


def _without_mark(made: ColumnMapping) -> ColumnMapping:
    plain = codecs.lookup(made.encoding).name == "utf-8"
    return msgspec.structs.replace(made, encoding="utf-8-sig") if plain else made
