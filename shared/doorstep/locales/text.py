"""What people read, in each language: the texts of `<language>/*.yaml`, found by their group and name.

A text may have holes, {name}, and plural forms, chosen by the number `count`. Importing this fails when a language
lacks a text that the default one has, or has one that nothing says; a test holds the holes against each other.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache
from importlib.resources.abc import Traversable
from string import Formatter

import msgspec
from babel.core import Locale as Conventions
from babel.dates import format_date

from doorstep.locales.languages import DEFAULT, FOLDER, LANGUAGES, Language

Form = str | dict[str, str]
"""A text, or one for each of several occasions: plural forms by their CLDR names, a field that is given or absent."""
Groups = Mapping[str, Mapping[str, Form]]
SAYS = "says"
"""The name of a text that is its whole group."""


class IncompleteLanguage(ValueError):
    """A language's files do not say what they must; the message names the text."""


@dataclass(frozen=True, eq=False)
class Locale:
    """One language."""

    language: Language
    groups: Groups

    def text(self, group: str, name: str = SAYS, /, **fields: object) -> str:
        """The text, with its holes filled. Raises KeyError when there is none, or a hole has no field."""
        form = self.groups[group][name]
        if isinstance(form, dict):
            form = form[self.plural(fields["count"], form)]
        return form.format_map(fields)

    def word(self, name: str, group: str = "words") -> str:
        """A value of a closed set in words; itself where there is none."""
        form = self.groups[group].get(name, name)
        return form if isinstance(form, str) else name

    def plural(self, count: object, forms: Mapping[str, str]) -> str:
        """Which of `forms` a number takes."""
        category = self._category(count)
        return category if category in forms else "other"

    def listed(self, items: Iterable[str]) -> str:
        """One after the other."""
        return self.text("language", "between").join(items)

    def clauses(self, parts: Iterable[str]) -> str:
        """Parts of a sentence that could stand alone."""
        return self.text("language", "clause").join(parts)

    def recorded(self, english: str, chinese: str) -> str:
        """Of what events say in both languages, what a reader of this one reads."""
        return chinese if self.language.startswith("zh") else english

    def date(self, day: date, pattern: str) -> str:
        """`day` as a pattern of the CLDR has it."""
        return format_date(day, pattern, locale=self._conventions)

    def names(self) -> frozenset[tuple[str, str]]:
        """Of every text: its group and its name."""
        return frozenset((group, name) for group, texts in self.groups.items() for name in texts)

    @cached_property
    def _conventions(self) -> Conventions:
        return Conventions.parse(self.language, sep="-")

    @cached_property
    def _category(self) -> Callable[[object], str]:
        return lru_cache(maxsize=1000)(self._conventions.plural_form)


def holes(text: str) -> tuple[str, ...]:
    """The names of the fields that `text` wants."""
    return tuple(name for _, name, _, _ in Formatter().parse(text) if name)


def _read(language: Language) -> Groups:
    groups: dict[str, Mapping[str, Form]] = {}
    for file in sorted(FOLDER.joinpath(language).iterdir(), key=lambda one: one.name):
        if file.name.endswith(".yaml"):
            groups |= {name: {SAYS: of} if isinstance(of, str) else of for name, of in _decoded(file).items()}
    return groups


def _decoded(file: Traversable) -> dict[str, str | dict[str, Form]]:
    try:
        return msgspec.yaml.decode(file.read_bytes(), type=dict[str, str | dict[str, Form]])
    except msgspec.DecodeError as error:
        raise IncompleteLanguage(f"{file}: {error}") from None


def check(locale: Locale, model: Locale) -> None:
    """Raises IncompleteLanguage when `locale` lacks a text of `model`, or has one that nothing says."""
    own, wanted = locale.names(), model.names()
    if wrong := sorted(own ^ wanted):
        told = [f"{' '.join(place)} is {'missing' if place in wanted else 'said nowhere'}" for place in wrong]
        raise IncompleteLanguage(f"{locale.language}: {', '.join(told)}")


LOCALES: Mapping[Language, Locale] = {language: Locale(language, _read(language)) for language in LANGUAGES}
for _locale in LOCALES.values():
    check(_locale, LOCALES[DEFAULT])
