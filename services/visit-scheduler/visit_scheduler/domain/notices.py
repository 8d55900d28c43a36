"""What the advance notice says: one text per language and channel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from babel.dates import format_datetime
from doorstep.events.values import Borrower, Language
from doorstep.messaging.channels import CHANNELS
from doorstep.messaging.templates import Template, artifacts, load, plain
from doorstep.messaging.windows import local

from visit_scheduler.domain.appointment import Appointment

NoticeChannel = Literal["sms", "letter"]
CHANNEL: Final[NoticeChannel] = "sms"
"""How the notice goes out."""
OPENED = ("name", CHANNELS[CHANNEL].point)
"""The personal fields a notice is written from."""


@dataclass(frozen=True)
class Lender:
    """Who sends the notice, and where a borrower can ask, reschedule or complain."""

    name: str
    phone: str


def template(language: Language, channel: NoticeChannel) -> Template:
    """The present text. There is one for every combination: importing this module fails otherwise."""
    return _TEMPLATES[f"{language}/{channel}/visit-notice"]


def render(template: Template, visit: Appointment, borrower: Borrower, lender: Lender) -> str:
    """The notice as the borrower reads it; times are the borrower's."""
    language = visit.terms.language
    return template.render(
        name=plain(borrower.name),
        lender=lender.name,
        phone=lender.phone,
        agency=visit.collectors[0].agency,
        agents=_listed(language, visit.agent_ids),
        count=len(visit.collectors),
        amount=visit.terms.amount.text(language),
        when=_when(visit),
    )


def _when(visit: Appointment) -> str:
    terms = visit.terms
    day, clock = _PATTERNS[terms.language]
    begin, end = local(terms.windows, visit.starts), local(terms.windows, visit.ends)
    locale = terms.language.replace("-", "_")
    return f"{format_datetime(begin, day, locale=locale)}{begin:{clock}}-{end:%H:%M}"


_PATTERNS: dict[Language, tuple[str, str]] = {
    "zh-CN": ("y年M月d日（EEEE）", "%H:%M"),
    "en": ("EEEE d MMMM y", ", %H:%M"),
}


def _listed(language: Language, items: Sequence[str]) -> str:
    return "、".join(items) if language == "zh-CN" else ", ".join(items[:-1]) + " and " + items[-1]


_TEMPLATES = load(
    "visit_scheduler",
    (f"{language}/{channel}/visit-notice" for language in get_args(Language) for channel in get_args(NoticeChannel)),
)
ARTIFACTS = artifacts(_TEMPLATES.values())
