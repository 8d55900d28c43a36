"""Texts a borrower gets: a file per language, channel and purpose, versioned, the same bytes for decision and sending.

A file's first line is its version, the rest is the text. `decide` names the template it means (id, version,
hash), and exactly that one is rendered. Whoever changes a text gives it the next version."""

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from itertools import product

import jinja2

from doorstep.kernel.artifacts import Publish
from doorstep.locales.languages import FOLDER, LANGUAGES

# Plain text: HTML escapes would reach the borrower as they stand.
_environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701


@dataclass(frozen=True)
class Template:
    """A text with holes. `content` is the whole file, `hash` the SHA-256 of its bytes, in hex."""

    id: str
    version: int
    content: str
    hash: str
    _compiled: jinja2.Template

    def render(self, **variables: object) -> str:
        """The text with its holes filled, by what can be seen. Raises jinja2.UndefinedError when one is missing."""
        seen = {name: visible(value) if isinstance(value, str) else value for name, value in variables.items()}
        return self._compiled.render(seen).strip()


def parse(template_id: str, content: bytes) -> Template:
    """Raises ValueError naming the template when its first line is not `version: <number>`."""
    whole = content.decode()
    first, _, text = whole.partition("\n")
    label, _, version = first.partition(":")
    if label != "version" or not version.strip().isdigit():
        raise ValueError(f"template {template_id} must begin with a line such as `version: 1`, not {first!r}")
    compiled = _environment.from_string(text)
    return Template(template_id, int(version), whole, hashlib.sha256(content).hexdigest(), compiled)


def load(channels: Iterable[str], purposes: Iterable[str]) -> Mapping[str, Template]:
    """The templates `locales/<language>/messages/<channel>/<purpose>.txt` of every language, by
    `<language>/<channel>/<purpose>`. Raises FileNotFoundError, ValueError: a service with a text missing does not
    start."""
    return {
        "/".join(one): parse("/".join(one), _file(*one).read_bytes())
        for one in product(LANGUAGES, tuple(channels), tuple(purposes))
    }


def _file(language: str, channel: str, purpose: str) -> Traversable:
    return FOLDER.joinpath(language, "messages", channel, f"{purpose}.txt")


def artifacts(templates: Iterable[Template]) -> tuple[Publish, ...]:
    """The templates, to be put on record."""
    return tuple(Publish("template", one.id, str(one.version), one.content) for one in templates)


def plain(name: str) -> str:
    """A name on one line: line breaks in it would let it forge lines of ours."""
    return " ".join(visible(name).split())


def visible(text: str) -> str:
    """`text` without what nobody sees and what turns the direction of reading: it could make a text of ours say
    something else. Line breaks, tabs and the joiners that some scripts need stay."""
    return "".join(one for one in text if one in _KEPT or unicodedata.category(one) not in _UNSEEN)


_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_KEPT = frozenset("\n\t\u200c\u200d")
