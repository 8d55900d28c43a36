"""What may be said: one text per language, channel and purpose."""

from typing import get_args

from doorstep.events.escalation.permits import Purpose
from doorstep.events.values import Channel, Language
from doorstep.messaging.templates import Template, artifacts, load

TEMPLATES = load(get_args(Channel), get_args(Purpose))
ARTIFACTS = artifacts(TEMPLATES.values())


def template_for(channel: Channel, purpose: Purpose, language: Language) -> Template:
    """The text for this contact. There is one for every combination: the import of this module fails
    otherwise."""
    return TEMPLATES[f"{language}/{channel}/{purpose}"]
