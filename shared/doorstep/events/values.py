"""Values that events of several owners share."""

from datetime import date, datetime, time
from typing import Annotated, Literal

import msgspec

from doorstep.events.envelope import Instant
from doorstep.events.money import Money
from doorstep.locales.languages import Language

__all__ = [
    "Borrower",
    "Channel",
    "ContactMethod",
    "ContactPoint",
    "Decision",
    "Inputs",
    "Instant",
    "Language",
    "Money",
    "Override",
    "PackRef",
    "Sealed",
    "Span",
    "StrategyRef",
    "Verdict",
    "Windows",
]

Channel = Literal["sms", "voice", "email", "push", "letter"]
ContactMethod = Literal["sms", "voice", "email", "push", "letter", "visit"]
"""A channel, or a visit."""
ContactPoint = Literal["phone", "email", "push_token", "address"]
"""What a channel reaches a borrower by: a field of `Borrower`."""


class Sealed(msgspec.Struct, frozen=True):
    """Personal data under the key `key_id` (a case id, or a rotating intake key): AES-256-GCM,
    nonce before ciphertext. `commitment` binds the ciphertext to one key, which GCM alone does not."""

    key_id: str
    commitment: bytes
    box: bytes


UNDER_SEAL = "«sealed»"
"""What stands where a text has to, when what a person wrote is in the field `said` beside it, under seal."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one rule said of one contact or visit, and why, in English and in Chinese. Only `must` and `should`
    rules, and the tenant's own `policy`, can refuse; a `draft` advises. `pack` is whose rule it is; empty: ours,
    the same everywhere."""

    rule: str
    allowed: bool
    status: Literal["must", "should", "policy", "draft"]
    source: str
    confidence: str
    detail: str
    detail_zh: str
    earliest_next: datetime | None = None
    pack: str = ""

    def refuses(self) -> bool:
        """Whether this verdict alone forbids."""
        return not self.allowed and self.status != "draft"

    @property
    def cited(self) -> str:
        """The rule with its pack, as `cn/quiet-hours`; ours are `doorstep/...`."""
        return f"{self.pack or 'doorstep'}/{self.rule}"


class PackRef(msgspec.Struct, frozen=True):
    """A rule pack as it was: `hash` is the SHA-256 of its content."""

    id: str
    version: str
    hash: str


class StrategyRef(msgspec.Struct, frozen=True, kw_only=True):
    """The decision graph that chose the step: the SHA-256 of its files, the engine's version, and the `path` through
    it, a node and its rule at a time."""

    graph: str
    hash: str
    engine: str
    path: tuple[str, ...]


class Override(msgspec.Struct, frozen=True, kw_only=True):
    """A person chose the step, and a second person agreed."""

    override_id: str
    by: str
    approved_by: str
    reason: str


class Span(msgspec.Struct, frozen=True):
    """From `starts` up to, not including, `ends`."""

    starts: Instant
    ends: Instant


class Inputs(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a decision was made from, as recorded before its instant. `reasons` are the codes behind
    `willingness`, `countries` those whose rules were asked, `facts_age` the days since the last business date.
    `amount_overdue` is in the currency whose turn it is, `other_amounts` what is overdue in others."""

    dpd: int
    bucket: str
    amount_overdue: Money
    business_date: date
    local_time: datetime
    episode: int
    contacts_today: int
    unanswered: int
    willingness: int
    reasons: tuple[str, ...] = ()
    stage: str = ""
    products: tuple[str, ...] = ()
    segment: str | None = None
    countries: tuple[str, ...] = ()
    facts_age: int = 0
    holds: tuple[str, ...] = ()
    consents: tuple[str, ...] = ()
    other_amounts: tuple[Money, ...] = ()


class Decision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a contact or visit was permitted or denied. `earliest_next` is the first instant at which no
    rule that refused now would refuse for the same reason."""

    decision_id: str
    step: str
    packs: tuple[PackRef, ...]
    inputs: Inputs
    verdicts: tuple[Verdict, ...]
    strategy: StrategyRef | None = None
    override: Override | None = None
    earliest_next: datetime | None = None


class Windows(msgspec.Struct, frozen=True, kw_only=True):
    """Local clock times of the borrower between which something may happen, each day: across midnight where it closes
    before it opens, all day where it closes when it opens."""

    opens: time
    closes: time
    time_zone: str


EMAIL = r"^[^@\s]+@[^@\s.]+(\.[^@\s.]+)+$"
"""What an e-mail address looks like: only sending to one shows whether it exists."""
Email = Annotated[
    str, msgspec.Meta(pattern=EMAIL, max_length=254, description="An e-mail address, such as name@example.com.")
]


class Borrower(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The plaintext inside `personal`: what an executor needs to reach the borrower. It exists in memory,
    on intake.v1 and under seal, nowhere else."""

    borrower_id: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    phone: Annotated[str, msgspec.Meta(min_length=3, max_length=40)]
    email: Email | None = None
    push_token: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)] | None = None
    address: str | None = None
    latitude: Annotated[float, msgspec.Meta(ge=-90, le=90)] | None = None
    longitude: Annotated[float, msgspec.Meta(ge=-180, le=180)] | None = None
