"""What the fields of requests are made of. Each refuses what no event could hold: 422, with the name of the field."""

from datetime import date, time
from typing import Annotated

from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, AwareDatetime, Field

from doorstep.events import bounds


def _local(told: time) -> time:
    if told.tzinfo is not None:
        raise ValueError("want a local time of day without an offset, such as 09:30")
    return told


_SPAN = f"{bounds.FIRST_DAY} to {bounds.LAST_DAY}"
MOST = 2**53 - 1
"""The largest whole number that every reader of JSON takes for itself."""
Instant = Annotated[AwareDatetime, AfterValidator(bounds.instant), Field(description=f"with its offset; {_SPAN}")]
"""A moment of the past or the future."""
Day = Annotated[date, AfterValidator(bounds.day), Field(description=_SPAN)]
"""A day of the calendar."""
ClockTime = Annotated[time, AfterValidator(_local)]
"""A time of day at the borrower's, 09:30; one with an offset is refused."""
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""What the caller calls something: one line."""
Count = Annotated[int, Field(ge=0, le=MOST)]
"""How many, how large."""


def happened(field: str, told: Instant, now: Instant) -> None:
    """Demands of the body's `field` that it has happened by `now`. Raises RequestValidationError: 422."""
    try:
        bounds.happened(told, now)
    except bounds.OutOfBounds as error:
        raise RequestValidationError([{"type": "value_error", "loc": ("body", field), "msg": str(error)}]) from None
