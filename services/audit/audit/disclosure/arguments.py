"""What several commands of this room are told."""

from datetime import datetime
from typing import Annotated

import typer

from audit.timeline.instants import NoInstant, instant

AsOf = Annotated[
    str | None, typer.Option(help="what was known by then: ISO 8601 with an offset, 2026-03-01T10:00+08:00")
]


def moment(told: str | None) -> datetime | None:
    """The instant in `told`; None where nothing is told. Raises typer.BadParameter."""
    try:
        return instant(told)
    except NoInstant as error:
        raise typer.BadParameter(str(error)) from None
