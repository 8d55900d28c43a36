"""The languages there are: a folder each, beside this file. A new folder is a new language."""

from importlib.resources import files
from typing import TYPE_CHECKING, Literal, TypeAlias

FOLDER = files("doorstep.locales")
DEFAULT = "zh-CN"
"""Of a borrower, and of a reader, of whom nothing is known."""
LANGUAGES = (
    DEFAULT,
    *sorted(one.name for one in FOLDER.iterdir() if one.joinpath("vocabulary.yaml").is_file() and one.name != DEFAULT),
)
"""As BCP 47 tags."""

# To a type checker any text; whoever decodes one refuses a language that has no folder.
if TYPE_CHECKING:
    Language: TypeAlias = str
else:
    Language = Literal[LANGUAGES]


def matching(wanted: str) -> Language | None:
    """The language for `wanted`: the tag itself, or the first of the same language elsewhere (`zh`, `en-GB`)."""
    primary = _primary(wanted)
    same = [wanted] if wanted in LANGUAGES else [one for one in LANGUAGES if _primary(one) == primary]
    return next(iter(same), None)


def short(language: Language) -> str:
    """The shortest name that matches it: `zh` for `zh-CN`."""
    primary = _primary(language)
    return primary if matching(primary) == language else language


def _primary(tag: str) -> str:
    return tag.partition("-")[0].lower()
