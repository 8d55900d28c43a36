"""The fields of an event as a person writes them, in the holes of its sentence. Pure.

Each hole has a writer, found once for an event type and a language: most write a field, a few what several come to.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from functools import cache, lru_cache
from operator import attrgetter
from types import UnionType
from typing import Literal, Union, get_args, get_origin, get_type_hints

from doorstep.events.audit import ViolationFound
from doorstep.events.escalation.cases import Change
from doorstep.events.escalation.overrides import OverrideRequested
from doorstep.events.registry import Event
from doorstep.events.values import Decision, Inputs, Language, Money, Sealed, Verdict
from doorstep.events.visits import Collector
from doorstep.locales.text import SAYS, Form, Locale, holes

from audit.timeline.domain import refusals

SEALED = "«sealed»"
NOTHING = "—"

Read = Callable[[Event], object]
Writer = Callable[[Event, tzinfo], str]
CODES = {"way", "opened"}
"""Fields whose values have words although their types are no closed sets."""


@dataclass(frozen=True)
class Sentence:
    """A text, and what writes into its holes."""

    form: str
    writers: tuple[tuple[str, Writer], ...]

    def write(self, event: Event, zone: tzinfo) -> str:
        """Of `event`; instants in `zone`."""
        return self.form.format_map({name: write(event, zone) for name, write in self.writers})


@cache
def sentence_of(cls: type[Event], locale: Locale) -> Sentence:
    """How `locale` tells an event of type `cls`. Raises KeyError when it does not, or wants what `cls` has not."""
    return _sentence(cls, locale.groups[cls.event_type][SAYS], locale)


def _sentence(cls: type[Event], form: Form, locale: Locale, **own: Writer) -> Sentence:
    assert isinstance(form, str), f"{cls.event_type}: {SAYS} is one text"
    return Sentence(form, tuple((name, own.get(name) or _writer(cls, name, locale)) for name in holes(form)))


def _writer(cls: type[Event], name: str, locale: Locale) -> Writer:
    if name[0].isupper():
        return _capitalised(_writer(cls, name.lower(), locale))
    if name in _COMPOSED:
        return _COMPOSED[name](cls, locale)
    hint, read = _field(cls, name)
    plain = _plain(name, hint, read, locale)
    form = _form(cls, name, locale)
    return plain if form is None else _among(cls, name, form, read, plain, locale)


def _form(cls: type[Event], name: str, locale: Locale) -> Form | None:
    return locale.groups[cls.event_type].get(name, locale.groups["fields"].get(name))


def _capitalised(write: Writer) -> Writer:
    def capitalised(event: Event, zone: tzinfo) -> str:
        said = write(event, zone)
        return said[:1].upper() + said[1:]

    return capitalised


def _field(cls: type[Event], name: str) -> tuple[object, Read]:
    """The type of a field, of the event or of the decision in it, and what reads it."""
    hints = get_type_hints(cls)
    places = [("", hints)]
    if "decision" in hints:
        places += [("decision.", get_type_hints(Decision)), ("decision.inputs.", get_type_hints(Inputs))]
    for place, of in places:
        if name in of:
            return of[name], attrgetter(place + name)
    raise KeyError(f"{cls.event_type} has no {name}")


def _among(cls: type[Event], name: str, form: Form, read: Read, plain: Writer, locale: Locale) -> Writer:
    """The one of several texts that fits the field's value."""
    forms = {"given": form, "absent": ""} if isinstance(form, str) else {"absent": NOTHING, **form}
    absent = forms["absent"]
    given = _counted(read, forms, locale) if "other" in forms else plain
    if "given" in forms:
        given = _sentence(cls, forms["given"], locale, **{name: plain}).write

    def write(event: Event, zone: tzinfo) -> str:
        value = read(event)
        nothing = value is None or value is False or value in ("", ())
        return absent if nothing else given(event, zone)

    return write


def _counted(read: Read, forms: Mapping[str, str], locale: Locale) -> Writer:
    """A number, or how many there are, in its plural form."""

    @lru_cache(maxsize=1000)
    def said(count: int) -> str:
        return forms[locale.plural(count, forms)].format(count=count)

    def write(event: Event, _: tzinfo) -> str:
        value = read(event)
        assert isinstance(value, int | tuple)
        return said(len(value) if isinstance(value, tuple) else value)

    return write


def _plain(name: str, hint: object, read: Read, locale: Locale) -> Writer:
    """What is in the field, and no word more."""
    if name == "weekdays":
        return lambda event, _: _weekdays(read(event), locale)
    if hint is Money:
        return lambda event, _: _money(read(event), locale.language)
    if hint in (str, int, date):
        return lambda event, _: str(read(event))
    if name in CODES or _values(hint):
        return lambda event, _: _in_words(read(event), locale)
    return lambda event, zone: _text(read(event), locale, zone)


def _in_words(value: object, locale: Locale) -> str:
    match value:
        case str():
            return locale.word(value)
        case Change():
            return f"{locale.word(value.what)} {value.was} → {value.now}"
        case tuple():
            return locale.listed(_in_words(one, locale) for one in value) or NOTHING
        case _:
            return NOTHING


def _text(value: object, locale: Locale, zone: tzinfo) -> str:  # noqa: PLR0911
    match value:
        case None:
            return NOTHING
        case Money():
            return value.text(locale.language)
        case datetime():
            return instant(value, zone)
        case time():
            return f"{value:%H:%M}"
        case Decimal():
            return f"{value:,f}"
        case Sealed():
            return SEALED
        case Collector():
            return f"{value.agent_id} ({value.agency})"
        case tuple():
            return locale.listed(_text(one, locale, zone) for one in value) or NOTHING
        case _:
            return str(value)


def _money(value: object, language: Language) -> str:
    assert isinstance(value, Money)
    return value.text(language)


def _weekdays(value: object, locale: Locale) -> str:
    assert isinstance(value, tuple)
    # The first of January 2024 is a Monday.
    return locale.listed(locale.date(date(2024, 1, day), locale.text("language", "weekday")) for day in value)


def _act(cls: type[Event], locale: Locale) -> Writer:
    """To do it by the event's way."""
    read = attrgetter("channel" if "channel" in cls.__struct_fields__ else "way")
    return lambda event, _: locale.word(read(event), "acts")


def _aim(cls: type[Event], locale: Locale) -> Writer:
    """What the contact is for that a person chose; a visit has one purpose only."""
    form = _form(cls, "aim", locale)
    assert isinstance(form, str)
    aim = _sentence(cls, form, locale)
    return lambda event, zone: (
        "" if isinstance(event, OverrideRequested) and event.way == "visit" else aim.write(event, zone)
    )


def _scope(cls: type[Event], locale: Locale) -> Writer:
    """What a hold is about, where that is not everything."""
    parts = [_writer(cls, name, locale) for name in ("loans", "ways")]

    def write(event: Event, zone: tzinfo) -> str:
        said = [one for part in parts if (one := part(event, zone))]
        comma = locale.text("language", "comma")
        return locale.text(cls.event_type, "scope", scope=comma.join(said)) if said else ""

    return write


def _refusal(_: type[Event], locale: Locale) -> Writer:
    """The rules that denied, and why."""
    read: Callable[[Event], Decision] = attrgetter("decision")

    def said(verdict: Verdict) -> str:
        return locale.text("refusal", rule=named(verdict), detail=detail(verdict, locale))

    def write(event: Event, _: tzinfo) -> str:
        return locale.clauses(map(said, refusals(read(event)))) or locale.text("refusal", "none")

    return write


def _breach(_: type[Event], locale: Locale) -> Writer:
    return lambda event, _: breach(event, locale) if isinstance(event, ViolationFound) else ""


_COMPOSED: Mapping[str, Callable[[type[Event], Locale], Writer]] = {
    "act": _act,
    "aim": _aim,
    "scope": _scope,
    "refusal": _refusal,
    "breach": _breach,
}


def instant(moment: datetime, zone: tzinfo = UTC) -> str:
    """To the minute, with the zone as an offset from UTC, which names no country."""
    at = local(moment, zone)
    return f"{at.isoformat(' ', 'minutes')[:16]} {offset(at)}"


def local(moment: datetime, zone: tzinfo) -> datetime:
    """In `zone`; at the edge of the calendar as it was told."""
    try:
        return moment.astimezone(zone)
    except OverflowError:
        return moment


def offset(local: datetime) -> str:
    """`UTC`, `UTC+8`, `UTC+5:30`."""
    return _offset(local.utcoffset() or timedelta())


@cache
def _offset(ahead: timedelta) -> str:
    hours, minutes = divmod(abs(ahead) // timedelta(minutes=1), 60)
    if hours == 0 and minutes == 0:
        return "UTC"
    return f"UTC{'-' if ahead < timedelta() else '+'}{hours}" + (f":{minutes:02}" if minutes else "")


def named(verdict: Verdict) -> str:
    """The rule, behind its pack: `cn/quiet-hours`. One of ours has none."""
    return f"{verdict.pack}/{verdict.rule}" if verdict.pack else verdict.rule


def detail(verdict: Verdict, locale: Locale) -> str:
    """Why the rule said so."""
    return locale.recorded(verdict.detail, verdict.detail_zh)


def breach(violation: ViolationFound, locale: Locale) -> str:
    """Which rule, and why."""
    return locale.text("breach", rule=violation.rule, why=locale.recorded(violation.why, violation.why_zh))


def _values(hint: object) -> frozenset[str]:
    """The values of the closed set that `hint` is, or holds one or several of."""
    if hint == Language:
        return frozenset()
    match get_origin(hint):
        case origin if origin is Literal:
            return frozenset(get_args(hint))
        case origin if origin in (Union, UnionType, tuple):
            return frozenset(value for one in get_args(hint) for value in _values(one))
        case _ if isinstance(hint, type) and issubclass(hint, Change):
            return frozenset(value for one in get_type_hints(hint).values() for value in _values(one))
        case _:
            return frozenset()


def closed_values(cls: type[Event]) -> frozenset[str]:
    """Every value of every closed set among the fields of `cls`: each needs a word."""
    return frozenset(value for hint in get_type_hints(cls).values() for value in _values(hint))
