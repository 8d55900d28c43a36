"""What a rule pack can say: the words of its YAML, and what each means.

`ways` are channels or `visit`; none named means all of them. Every rule says where it is from (`source`), whether it
binds (`status`), what it is in law (`legal`) and how sure we are of its wording (`confidence`).
"""

from collections.abc import Iterable, Iterator
from datetime import date, time
from math import ceil
from typing import Annotated, Literal, get_args

import msgspec
from doorstep.events.escalation.holds import HoldKind
from doorstep.events.escalation.permits import Duty, Purpose
from doorstep.events.values import ContactMethod

WAYS: tuple[ContactMethod, ...] = get_args(ContactMethod)
DayClass = Literal["workday", "saturday", "sunday", "holiday"]
Slug = Annotated[str, msgspec.Meta(pattern="^[a-z0-9]+(-[a-z0-9]+)*$")]
Said = Annotated[str, msgspec.Meta(min_length=1)]
Count = Annotated[int, msgspec.Meta(ge=1)]
Spans = tuple[str, ...] | Literal["none"]
Fault = tuple[str, str]
"""Where in a rule, and what is wrong there."""


class SchemaPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a rule; what it does not know is an error."""


class Text(SchemaPart, frozen=True, kw_only=True):
    """What a person reads, in English and in Chinese."""

    en: Said
    zh: Said


class Effective(SchemaPart, frozen=True, kw_only=True, rename={"since": "from", "until": "to"}):
    """The first and the last day on which a rule holds, wherever the borrower is; none: not limited, or not known."""

    since: date | None = None
    until: date | None = None


class Holidays(SchemaPart, frozen=True, kw_only=True):
    """Where holidays are from: `chinesecalendar`, which knows China's shifted working days, or a country of the
    library `holidays`."""

    calendar: Literal["chinesecalendar", "holidays"]
    country: str | None = None


class Rule(SchemaPart, frozen=True, kw_only=True, tag_field="kind"):
    """What every rule says."""

    id: Slug
    text: Text
    source: Said
    status: Literal["must", "should", "draft", "policy"]
    legal: Literal["law", "standard", "self-regulation", "draft", "unverified", "policy"]
    confidence: Literal["primary", "secondary", "unverified", "own"]
    effective: Effective

    def faults(self) -> Iterator[Fault]:
        """What no type can say."""
        since, until = self.effective.since, self.effective.until
        if since and until and until < since:
            yield ".effective", "it ends before it begins"
        if (self.confidence == "unverified") != (self.legal == "unverified"):
            yield ".legal", "what is not verified is not called law: confidence and legal are unverified together"
        if len({self.status == "policy", self.legal == "policy", self.confidence == "own"}) == 2:
            yield ".status", "the tenant's own rule has status policy, legal policy and confidence own, all three"


class HoursByDay(SchemaPart, frozen=True, kw_only=True):
    """Local time of the borrower, as `HH:MM-HH:MM`, up to 24:00; or `none`, which keeps that class of day free. A
    holiday is one whatever its weekday; a weekend day that China made a working day is a workday."""

    workday: Spans
    saturday: Spans
    sunday: Spans
    holiday: Spans


class Exempt(SchemaPart, frozen=True, kw_only=True):
    """Who a rule does not protect: more than `dpd_over` days past due."""

    dpd_over: Annotated[int, msgspec.Meta(ge=0)]


class HoursRule(Rule, frozen=True, kw_only=True, tag="hours"):
    """Contact only inside `windows`. `consent: hours`: the borrower's consent to other hours overrides it."""

    windows: HoursByDay
    ways: tuple[ContactMethod, ...] = ()
    consent: Literal["hours"] | None = None
    exempt: Exempt | None = None

    def faults(self) -> Iterator[Fault]:
        yield from Rule.faults(self)
        for name in get_args(DayClass):
            spans = getattr(self.windows, name)
            yield from ((f".windows.{name}", reason) for reason in _faults_of(() if spans == "none" else spans))


class CountingWindow(SchemaPart, frozen=True, kw_only=True):
    """What a counter looks back on, one of: the borrower's `calendar` day, week (from Monday) or month; `rolling_days`,
    24 hours each, to the minute; `local_days`, whole days of the borrower's, the present one included."""

    calendar: Literal["day", "week", "month"] | None = None
    rolling_days: Count | None = None
    local_days: Count | None = None


class CounterRule(Rule, frozen=True, kw_only=True, tag="counter"):
    """At most `limit` in the window. `attempt` is whatever may have reached the borrower and a dial that failed,
    `effective` a conversation, `unanswered` any other, `visit` one at the door. Counted per person, per debt, or per
    number or address across cases."""

    scope: Literal["person", "debt", "number", "address"]
    unit: Literal["attempt", "effective", "unanswered", "visit"]
    window: CountingWindow
    limit: Count
    ways: tuple[ContactMethod, ...] = ()

    def faults(self) -> Iterator[Fault]:
        yield from Rule.faults(self)
        said = [self.window.calendar, self.window.rolling_days, self.window.local_days]
        if sum(one is not None for one in said) != 1:
            yield ".window", "say exactly one of calendar, rolling_days, local_days"
        if self.unit == "visit" and self.ways not in ((), ("visit",)):
            yield ".ways", "the unit visit counts visits only: leave ways out"


class CooldownRule(Rule, frozen=True, kw_only=True, tag="cooldown"):
    """After a conversation, nothing on `ways` for `days` local days. `day_one: counts`: the day of the conversation is
    the first of them."""

    after: Literal["conversation"]
    days: Count
    day_one: Literal["counts", "not"]
    scope: Literal["person", "debt", "number"]
    ways: tuple[ContactMethod, ...] = ()


class VisitRule(Rule, frozen=True, kw_only=True, tag="visit"):
    """So many collectors together, and so many hours between the notice and the visit. Spacing is a `counter`."""

    minimum_staff: Count | None = None
    notice_hours: Annotated[int, msgspec.Meta(ge=0)] | None = None

    def faults(self) -> Iterator[Fault]:
        yield from Rule.faults(self)
        if self.minimum_staff is None and self.notice_hours is None:
            yield "", "say minimum_staff, notice_hours or both"


class PriorNoticeRule(Rule, frozen=True, kw_only=True, tag="prior-notice"):
    """Before any other contact or visit of an episode, a notice of this `purpose` in one of the ways `given_on`, at
    least `business_days` of the pack's calendar before."""

    purpose: Purpose
    given_on: tuple[ContactMethod, ...]
    business_days: Annotated[int, msgspec.Meta(ge=0)]
    ways: tuple[ContactMethod, ...] = ()


class FollowUpNoticeRule(Rule, frozen=True, kw_only=True, tag="follow-up-notice"):
    """A notice of this `purpose` within `within_days` of the first contact of an episode. Until it was given, nothing
    else follows that contact."""

    purpose: Purpose
    given_on: tuple[ContactMethod, ...]
    within_days: Count
    ways: tuple[ContactMethod, ...] = ()


class HoldEffect(SchemaPart, frozen=True, kw_only=True):
    """How long a hold lasts (`days`; none: until it is lifted), on which ways, and whether it can be renewed."""

    days: Count | None = None
    ways: tuple[ContactMethod, ...] = ()
    renewable: bool = False


class SuspensionRule(Rule, frozen=True, kw_only=True, tag="suspension"):
    """Contact stops on these holds. `fallback`: only on those which no other pack in force speaks of."""

    holds: dict[HoldKind, HoldEffect]
    fallback: bool = False


class BlocksRule(Rule, frozen=True, kw_only=True, tag="blocks"):
    """The borrower may call hours and ways inconvenient; inside what is recorded, no contact. The law may oblige a
    lender to take up to `hours_a_week`."""

    ways: tuple[ContactMethod, ...] = ()
    hours_a_week: Count | None = None


class DutiesRule(Rule, frozen=True, kw_only=True, tag="duty"):
    """What collectors have to do at the door; it goes on the visit's permit."""

    duties: Annotated[tuple[Duty, ...], msgspec.Meta(min_length=1)]


class RetentionRule(Rule, frozen=True, kw_only=True, tag="retention"):
    """What has to be kept, at least so many years."""

    years: Count

    @property
    def days(self) -> int:
        """So many days hold `years` years wherever they begin: a leap day counts."""
        return ceil(self.years * 365.25)


class ThirdPartyRule(Rule, frozen=True, kw_only=True, tag="third-party"):
    """Who else may be spoken to, and when. Doorstep contacts the debtor only."""


class OptOutRule(Rule, frozen=True, kw_only=True, tag="opt-out"):
    """What a message must offer."""


class ConductRule(Rule, frozen=True, kw_only=True, tag="conduct"):
    """How collectors and lenders behave; no machine can see it beforehand."""


AnyRule = (
    HoursRule
    | CounterRule
    | CooldownRule
    | VisitRule
    | PriorNoticeRule
    | FollowUpNoticeRule
    | SuspensionRule
    | BlocksRule
    | DutiesRule
    | RetentionRule
    | ThirdPartyRule
    | OptOutRule
    | ConductRule
)
KINDS: dict[str, type[Rule]] = {str(kind.__struct_config__.tag): kind for kind in get_args(AnyRule)}


class PackContent(SchemaPart, frozen=True, kw_only=True):
    """A pack's file. `countries` are those (ISO 3166) whose borrowers it protects; `holidays` where its rules know
    weekdays and holidays from (a pack without any takes those of the packs it is combined with)."""

    id: Slug
    version: Said
    title: Text
    countries: tuple[Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}$")], ...]
    rules: tuple[AnyRule, ...]
    holidays: Holidays | None = None


def minutes_of(span: str) -> tuple[int, int]:
    """`HH:MM-HH:MM` as minutes since midnight. Raises ValueError where it is none."""
    opens, closes = span.split("-")
    return _minute(opens), _minute(closes)


def _minute(clock: str) -> int:
    if clock == "24:00":
        return 24 * 60
    if len(clock) != 5:
        raise ValueError
    at = time.fromisoformat(clock)
    return at.hour * 60 + at.minute


def _faults_of(spans: Iterable[str]) -> Iterator[str]:
    before = 0
    for span in spans:
        try:
            opens, closes = minutes_of(span)
        except ValueError:
            yield f"{span!r} is no time span: write it as 08:00-21:00"
            continue
        if closes <= opens:
            yield f"{span!r} closes before it opens: end it at 24:00 and begin the next day's at 00:00"
        elif opens < before:
            yield f"{span!r} begins before the one before it ends"
        before = closes
