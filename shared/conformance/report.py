"""What a reading of the log comes to, and what it takes besides the log."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from conformance.rules import STALE_AFTER_DAYS, Book, jurisdiction


@dataclass(frozen=True)
class Violation:
    """What should not have happened: `event` broke `rule` at `at`. `why` is in English, `why_zh` in Chinese."""

    event: str
    case: str
    at: datetime
    rule: str
    why: str
    why_zh: str


@dataclass(frozen=True)
class Assumptions:
    """What no event tells. `book`: the rules of all cases (None: each decision tells whose were asked). Facts older
    than `stale_after` days permit nothing. `leeway`: how long an event may be under way from one service to the next,
    and how far their clocks may differ. `retention_days`: the lender wants personal data erased so long after a case
    has ended (None: never), judged as of `now`."""

    book: Book | None = None
    stale_after: int = STALE_AFTER_DAYS
    leeway: timedelta = timedelta()
    retention_days: int | None = None
    now: datetime | None = None

    @classmethod
    def of(cls, name: str, **more: Any) -> "Assumptions":
        """Those of a jurisdiction, such as "us". Raises KeyError."""
        return cls(jurisdiction(name), **more)


@dataclass
class Findings:
    """What was found. `left` counts what left the house by its way, `denied` the `denials` by each rule that refused,
    `crossed` what was told while a message was already on its way."""

    events: int = 0
    left: Counter[str] = field(default_factory=Counter)
    denials: int = 0
    denied: Counter[str] = field(default_factory=Counter)
    crossed: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)

    def as_dict(self) -> dict[str, object]:
        """As JSON has it."""
        found = [{**vars(one), "at": one.at.isoformat()} for one in self.violations]
        return {**vars(self), "violations": found}
