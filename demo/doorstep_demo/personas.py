"""How borrowers behave: what comes back after a message, and what collectors find at the door.

Pure functions of who is asked, for the nth time, and when. `nth` counts the contacts (or visits) of one
borrower from 1 in the present episode of the case; `owed` is what is overdue by loan, as the message says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Literal

from doorstep.events.values import Channel
from doorstep.messaging.channels import CHANNELS

from doorstep_demo.country import Country
from doorstep_demo.portfolio import Person, Persona, Portfolio, SimulatedPayment
from doorstep_demo.words import WORDS

BY_LETTER = timedelta(days=2)
ReplyKind = Literal["promise", "dispute", "complaint", "hardship", "opt-out", "wrong-number", "other"]


@dataclass(frozen=True)
class DeliveryReport:
    """What the provider reports of the message."""

    at: datetime
    status: Literal["delivered", "answered", "no-answer", "undeliverable"]


@dataclass(frozen=True)
class Reply:
    """What the borrower answers, in the borrower's language."""

    at: datetime
    kind: ReplyKind
    text: str
    promise_amount: Decimal | None = None
    promise_due: date | None = None


Reaction = DeliveryReport | Reply | SimulatedPayment


@dataclass(frozen=True)
class Conversation:
    """They talked. `payments` follow from it."""

    at: datetime
    attitude: Literal["cooperative", "neutral", "hostile"]
    willingness: int
    cause: Literal["forgot", "cash-flow", "unemployment", "illness", "dispute", "other"]
    notes: str
    promise_amount: Decimal | None = None
    promise_due: date | None = None
    payments: Sequence[SimulatedPayment] = ()


@dataclass(frozen=True)
class NoConversation:
    """They went and could not talk."""

    at: datetime
    reason: Literal["nobody-home", "refused", "wrong-address", "unsafe"]
    notes: str


def reaction(
    portfolio: Portfolio,
    person: Person,
    *,
    channel: Channel,
    nth: int,
    at: datetime,
    owed: Mapping[str, Decimal],
    episode: int = 1,
) -> Sequence[Reaction]:
    """What follows the `nth` contact, sent on `channel` at `at`: receipt, replies, payments by time."""
    draw = portfolio.draw(person.borrower_id, f"contact/{channel}/{episode}", nth)
    arrives = at + BY_LETTER if CHANNELS[channel].point == "address" else at
    asked = _Asked(portfolio.country, person, draw, nth, episode, arrives.astimezone(person.clock), owed)
    receipt = asked.receipt(channel)
    reached = receipt.status in ("delivered", "answered")
    follows = asked.answer() if reached and owed else ()
    return sorted([receipt, *follows], key=lambda reaction: reaction.at)


def visit_report(
    portfolio: Portfolio,
    person: Person,
    *,
    nth: int,
    at: datetime,
    owed: Mapping[str, Decimal],
    episode: int = 1,
) -> Conversation | NoConversation:
    """What the collectors report of the `nth` visit, begun at `at`."""
    draw = portfolio.draw(person.borrower_id, f"visit/{episode}", nth)
    return _Asked(portfolio.country, person, draw, nth, episode, at.astimezone(person.clock), owed).at_the_door()


@dataclass(frozen=True)
class _Asked:
    """One borrower, asked once."""

    country: Country
    person: Person
    draw: Random
    nth: int
    episode: int
    at: datetime
    owed: Mapping[str, Decimal]

    def receipt(self, channel: Channel) -> DeliveryReport:
        soon = self.at + timedelta(seconds=self.draw.randint(4, 90))
        if not CHANNELS[channel].call:
            return DeliveryReport(soon, "delivered")
        answers = self.draw.random() < _PICKS_UP.get(self.person.persona, 0.85)
        return DeliveryReport(soon, "answered" if answers else "no-answer")

    def answer(self) -> Sequence[Reaction]:  # noqa: PLR0911
        match self.person.persona:
            case "pays-after-first-sms" if self._turn(1):
                paid = self._hours(2, 20)
                return [*self._pay(1, paid), *self._perhaps("thanks", 0.3, paid)]
            case "forgets-then-pays":
                return self._pay(1, self._hours(4, 30)) if self._turn(2) else self._perhaps("noted", 0.25)
            case "promises-and-keeps" if self._turn(1):
                promise = self._promise("promise", 1, self.draw.randint(3, 7))
                return [promise, *self._pay(1, self._on(promise.promise_due))]
            case "promises-and-breaks" if self._turn(2):
                return [self._promise("promise", 1, self.draw.randint(2, 5))]
            case "disputes" if self.nth == 1:
                return [self._reply("dispute", "dispute")]
            case "ill" if self.nth == 1:
                return [self._reply("hardship", "hardship")]
            case "wrong-number" if self.nth == 1:
                return [self._reply("wrong-number", "wrong-number")]
            case "pays-partly" if self.nth == 1:
                return [
                    *self._perhaps("part", 0.6),
                    *self._pay(self.draw.uniform(0.3, 0.6), self._hours(6, 40)),
                ]
            case "pays-partly" if self._turn(4):
                return self._pay(1, self._hours(6, 40))
            case "relapses" if self._turn(1 if self.episode == 1 else 3):
                return self._pay(1, self._hours(3, 26))
            case _:
                return ()

    def at_the_door(self) -> Conversation | NoConversation:
        found = _AT_THE_DOOR.get(self.person.persona, _FORGOT)
        failed = self.draw.choices(_FAILURES, (*found.failures, 1 - sum(found.failures)))[0]
        at = self.at + timedelta(minutes=self.draw.randint(6, 14) if failed else self.draw.randint(20, 50))
        if failed is not None:
            return NoConversation(at, failed, self._words(failed))
        attitude, cause = self.draw.choice(found.attitudes), self.draw.choice(found.causes)
        talk = Conversation(at, attitude, self.draw.randint(*found.willingness), cause, self._words(f"at-door-{cause}"))
        return self._agreed(talk, found)

    def _agreed(self, talk: Conversation, found: "_Door") -> Conversation:
        if not self.owed or self.draw.random() >= found.promises:
            return talk
        due = self.at.date() + timedelta(days=self.draw.randint(2, 8))
        kept = self.draw.random() < found.keeps
        payments = self._pay(found.share, self._on(due)) if kept else ()
        amount = sum(self._parts(found.share).values(), Decimal(0))
        return replace(talk, promise_amount=amount, promise_due=due, payments=payments)

    def _turn(self, first: int) -> bool:
        """At the `first` contact, and again at every third after it: what was not done is put off."""
        return self.nth >= first and (self.nth - first) % 3 == 0

    def _parts(self, share: float) -> Mapping[str, Decimal]:
        return {loan: (amount * Decimal(share)).quantize(self.country.step) for loan, amount in self.owed.items()}

    def _pay(self, share: float, at: datetime) -> Sequence[SimulatedPayment]:
        parts, currency = sorted(self._parts(share).items()), self.country.currency
        paid = [
            SimulatedPayment(loan, sum_, at + timedelta(minutes=n), currency) for n, (loan, sum_) in enumerate(parts)
        ]
        return [payment for payment in paid if payment.amount]

    def _promise(self, words: str, share: float, in_days: int) -> Reply:
        amount = sum(self._parts(share).values(), Decimal(0))
        due = self.at.date() + timedelta(days=in_days)
        said, currency = f"{amount:,}", self.country.currency
        reply = self._reply("promise", words, date=due.isoformat(), amount=said, currency=currency)
        return replace(reply, promise_amount=amount, promise_due=due)

    def _perhaps(self, words: str, chance: float, after: datetime | None = None) -> Sequence[Reply]:
        return [self._reply("other", words, after)] if self.draw.random() < chance else []

    def _reply(self, kind: ReplyKind, words: str, after: datetime | None = None, **blanks: str) -> Reply:
        at = _awake((after or self.at) + timedelta(minutes=self.draw.randint(3, 240)))
        return Reply(at, kind, self._words(words).format(**blanks))

    def _words(self, about: str) -> str:
        return self.draw.choice(WORDS[about][self.person.language])

    def _hours(self, least: int, most: int) -> datetime:
        return _awake(self.at + timedelta(minutes=self.draw.randint(60 * least, 60 * most)))

    def _on(self, day: date | None) -> datetime:
        moment = time(self.draw.randint(9, 20), self.draw.randint(0, 59))
        return datetime.combine(day or self.at.date(), moment, self.at.tzinfo)


@dataclass(frozen=True)
class _Door:
    """What may happen at a door. `failures` are the chances of nobody home, refused, wrong address;
    a promise is of `share` of what is owed, and `keeps` is the chance that it is kept."""

    failures: tuple[float, float, float]
    attitudes: tuple[Literal["cooperative", "neutral", "hostile"], ...]
    causes: tuple[Literal["forgot", "cash-flow", "unemployment", "illness", "dispute", "other"], ...]
    willingness: tuple[int, int]
    promises: float
    share: float
    keeps: float


def _awake(at: datetime) -> datetime:
    """`at`, or the next morning when that is at night."""
    if 8 <= at.hour < 22:
        return at
    morning = at.replace(hour=8, minute=at.minute, second=0)
    return morning if at.hour < 8 else morning + timedelta(days=1)


_FAILURES: Sequence[Literal["nobody-home", "refused", "wrong-address"] | None] = (
    "nobody-home",
    "refused",
    "wrong-address",
    None,
)
_PICKS_UP: Mapping[Persona, float] = {"never-answers": 0.0, "promises-and-breaks": 0.6, "wrong-number": 0.9}
_FORGOT = _Door(
    (0.2, 0.0, 0.0),
    ("cooperative", "cooperative", "neutral"),
    ("forgot", "cash-flow"),
    (70, 95),
    0.9,
    1.0,
    0.9,
)
_AT_THE_DOOR: Mapping[Persona, _Door] = {
    "promises-and-breaks": _Door(
        (0.15, 0.1, 0.0),
        ("neutral", "neutral", "hostile"),
        ("cash-flow", "unemployment"),
        (25, 50),
        0.8,
        0.5,
        0.6,
    ),
    "disputes": _Door((0.1, 0.1, 0.0), ("neutral", "hostile"), ("dispute",), (15, 40), 0.0, 0.0, 0.0),
    "ill": _Door((0.1, 0.0, 0.0), ("cooperative",), ("illness",), (40, 60), 0.2, 0.2, 0.8),
    "never-answers": _Door(
        (0.45, 0.15, 0.05),
        ("neutral", "hostile"),
        ("cash-flow", "unemployment", "other"),
        (15, 45),
        0.5,
        0.5,
        0.4,
    ),
    "wrong-number": _Door((0.1, 0.0, 0.4), ("cooperative",), ("forgot", "other"), (65, 90), 0.9, 1.0, 0.9),
    "pays-partly": _Door((0.15, 0.0, 0.0), ("cooperative", "neutral"), ("cash-flow",), (50, 75), 0.9, 1.0, 0.7),
}
