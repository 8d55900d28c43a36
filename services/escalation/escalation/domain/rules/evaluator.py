"""What every rule does when it is asked: from when on it allows, and why not before.

`free_from(request, at)` is the first instant from `at` on at which the rule allows what is asked if nothing else
happens; None means that only news can change it. A rule allows now what it is free from now on.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from doorstep.events.values import Verdict

from escalation.domain.rules.request import ContactRequest
from escalation.domain.rules.schema import Rule

Detail = tuple[str, str]
EVER = datetime.min.replace(tzinfo=UTC)
NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, eq=False)
class Evaluator(ABC):
    """A rule of the pack `pack`, in force from `since` up to `until`, which is wherever on Earth it is such a day."""

    pack: str
    rule: Rule
    since: datetime | None
    until: datetime | None

    @abstractmethod
    def free_from(self, request: ContactRequest, at: datetime) -> datetime | None:
        """The first instant from `at` on at which it allows, or None."""

    @abstractmethod
    def detail(self, request: ContactRequest) -> Detail:
        """Why, with its numbers, in English and in Chinese."""

    @property
    def refuses(self) -> bool:
        """Whether its no counts; a draft only advises."""
        return self.rule.status != "draft"

    def in_force(self, at: datetime) -> bool:
        """Whether it holds at `at`."""
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)

    def free(self, request: ContactRequest, at: datetime) -> datetime | None:
        """As `free_from`, of a rule that may begin or end."""
        if self.since is None and self.until is None:
            return self.free_from(request, at)
        if not self.in_force(at):
            return at
        free = self.free_from(request, at)
        return free if self.until is None or (free is not None and free < self.until) else self.until

    def word(self, request: ContactRequest) -> tuple[datetime | None, Detail]:
        """Free from when on, and why; for evaluators that find both out at once."""
        return self.free_from(request, request.now), self.detail(request)

    def verdict(self, request: ContactRequest) -> Verdict:
        """Its word on what is asked, while it is in force."""
        free, detail = self.word(request)
        if self.until is not None and (free is None or free > self.until):
            free = self.until
        allowed = free is not None and free <= request.now
        return _verdict(self, allowed, detail, None if allowed else free)


@lru_cache(maxsize=65536)
def _verdict(evaluator: Evaluator, allowed: bool, detail: Detail, earliest_next: datetime | None) -> Verdict:
    rule = evaluator.rule
    return Verdict(
        rule=rule.id,
        allowed=allowed,
        status=rule.status,
        source=rule.source,
        confidence=rule.confidence,
        detail=detail[0],
        detail_zh=detail[1],
        earliest_next=earliest_next,
        pack=evaluator.pack,
    )
