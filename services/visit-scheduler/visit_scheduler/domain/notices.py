"""What the advance notice says: one text per language and channel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from doorstep.events.values import Borrower, Language
from doorstep.locales.text import LOCALES, Locale
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
    locale = LOCALES[visit.terms.language]
    return template.render(
        name=plain(borrower.name),
        lender=lender.name,
        phone=lender.phone,
        agency=visit.collectors[0].agency,
        agents=_both(locale, visit.agent_ids),
        count=len(visit.collectors),
        amount=visit.terms.amount.text(locale.language),
        when=_when(visit, locale),
    )


def _when(visit: Appointment, locale: Locale) -> str:
    begin, end = (local(visit.terms.windows, instant) for instant in (visit.starts, visit.ends))
    day = locale.date(begin.date(), locale.text("notice", "day"))
    return locale.text("notice", "when", day=day, begins=f"{begin:%H:%M}", ends=f"{end:%H:%M}")


def _both(locale: Locale, items: Sequence[str]) -> str:
    """Two or more who come together."""
    return locale.text("language", "last").join([locale.listed(items[:-1]), items[-1]])


_TEMPLATES = load(get_args(NoticeChannel), ["visit-notice"])
ARTIFACTS = artifacts(_TEMPLATES.values())
