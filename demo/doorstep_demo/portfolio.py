"""A believable portfolio of overdue loans, the same for the same seed, and the bank's view of it each day.

Nothing here remembers anything: a snapshot is a function of the day and of the payments made so far.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property, lru_cache
from random import Random
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from doorstep.events.values import Language

from doorstep_demo import people
from doorstep_demo.country import Country
from doorstep_demo.places_china import CHINA

Persona = Literal[
    "pays-after-first-sms",
    "forgets-then-pays",
    "promises-and-keeps",
    "promises-and-breaks",
    "disputes",
    "ill",
    "never-answers",
    "wrong-number",
    "pays-partly",
    "relapses",
]
PERSONAS: tuple[Persona, ...] = get_args(Persona)
_SHARES = (26, 20, 13, 10, 5, 4, 8, 4, 6, 4)
"""Percent of the borrowers, in the order of PERSONAS."""
BANK_ZONE = CHINA.zone
"""Of a lender in China, which every portfolio has that names no other country."""


@dataclass(frozen=True)
class Person:
    """A borrower, and how this person behaves (`persona`). `number` counts from 0; `clock` is the one lived by."""

    number: int
    borrower_id: str
    name: str
    phone: str
    email: str | None
    push_token: str | None
    home: people.Home
    language: Language
    persona: Persona
    place_known: bool
    """Whether the bank knows region and time zone."""
    clock: ZoneInfo


@dataclass(frozen=True)
class SimulatedLoan:
    """One loan that falls behind on `overdue_since`; each instalment that falls due while it is behind is missed
    too. Sums are in the country's currency."""

    loan_id: str
    borrower: Person
    product: str
    currency: str
    principal: Decimal
    instalment: Decimal
    overdue_since: date


@dataclass(frozen=True)
class SimulatedPayment:
    """Money that reached the bank."""

    loan_id: str
    amount: Decimal
    at: datetime
    currency: str = "CNY"


@dataclass(frozen=True)
class Owed:
    """What is overdue of a loan: `since` is the first day past due of the oldest missed instalment."""

    amount: Decimal
    since: date


@dataclass(frozen=True)
class Portfolio:
    """`borrowers` people of `country` whose loans fall behind in the `days` from `start`; a third were behind before.
    `eventful`: holds, consents, blocked hours and bounced payments occur, which the plain demo does without."""

    seed: int
    borrowers: int
    days: int
    start: date
    tenant: str = "acme"
    country: Country = CHINA
    eventful: bool = False

    @cached_property
    def people(self) -> Sequence[Person]:
        """Every borrower, by number."""
        return [self.person(number) for number in range(self.borrowers)]

    @cached_property
    def loans(self) -> Mapping[str, SimulatedLoan]:
        """Every loan, by its id."""
        return {loan.loan_id: loan for loans in self.loans_by_borrower.values() for loan in loans}

    @cached_property
    def loans_by_borrower(self) -> Mapping[str, Sequence[SimulatedLoan]]:
        """Every borrower's loans."""
        return {person.borrower_id: self.loans_of(person) for person in self.people}

    def person(self, number: int) -> Person:
        """The borrower with that number; a few live with, and share the telephone of, the one before."""
        household = number - 1 if self._joins(number) else number
        draw, house = self.draw(number, "person"), self.draw(household, "home")
        language = people.language(house, self.country)
        surname = people.surname_of(house, self.country) if language == self.country.language else None
        name = people.name(draw, language, surname, self.country)
        home = people.home(house, language, self.country)
        return Person(
            number,
            f"C-{100_000 + number}",
            name,
            people.phone(household + self._first_phone, self.country),
            people.email(self.draw(number, "email"), number),
            people.push_token(self.draw(number, "app")),
            home,
            language,
            draw.choices(PERSONAS, _SHARES)[0],
            draw.random() >= 0.04,
            self.country.zone if self.country.one_clock else ZoneInfo(home.city.time_zone),
        )

    def bank_day(self, at: datetime) -> date:
        """The bank's business date at that instant, wherever the borrower lives."""
        return at.astimezone(self.country.zone).date()

    def loans_of(self, person: Person) -> Sequence[SimulatedLoan]:
        """One to three loans, each of another product."""
        draw = self.draw(person.borrower_id, "loans")
        count = draw.choices((1, 2, 3), (74, 20, 6))[0]
        kinds = draw.sample(_PRODUCTS, count, counts=_FREQUENT)
        first = self._long_behind(person) or self._behind_since(draw)
        last = max(first, self.start + timedelta(days=self.days - 1))
        behind = [first, *(min(first + timedelta(days=draw.randint(2, 20)), last) for _ in kinds[1:])]
        return [
            _loan(draw, person, self.country, number, product, since)
            for number, (product, since) in enumerate(dict(zip(kinds, behind, strict=True)).items(), 1)
        ]

    def owed(self, loan: SimulatedLoan, day: date, payments: Iterable[SimulatedPayment]) -> Owed | None:
        """What is overdue of `loan` at the end of `day` after `payments`; None when nothing is."""
        if day < loan.overdue_since:
            return None
        made = ((self.bank_day(p.at), p.amount) for p in payments if p.loan_id == loan.loan_id)
        paid = tuple(sorted(one for one in made if one[0] <= day))
        instalments = 1 + (day - loan.overdue_since) // EVERY
        relapses = loan.borrower.persona == "relapses"
        return _owed(loan.overdue_since, loan.instalment, instalments, paid, relapses=relapses)

    def owed_by(self, person: Person, day: date, payments: Iterable[SimulatedPayment]) -> Mapping[str, Decimal]:
        """What `person` owes at the end of `day`, by loan."""
        made = list(payments)
        found = {loan.loan_id: self.owed(loan, day, made) for loan in self.loans_by_borrower[person.borrower_id]}
        return {loan_id: owed.amount for loan_id, owed in found.items() if owed is not None}

    def snapshot_rows(self, day: date, payments: Iterable[SimulatedPayment]) -> list[dict[str, str]]:
        """The bank's overdue file for `day`: a row per loan overdue at its end, by the importer's columns."""
        by_loan: dict[str, list[SimulatedPayment]] = defaultdict(list)
        paid: dict[str, Decimal] = defaultdict(Decimal)
        for payment in payments:
            by_loan[payment.loan_id].append(payment)
            paid[payment.loan_id] += payment.amount if self.bank_day(payment.at) <= day else 0
        found = ((loan, self.owed(loan, day, by_loan.get(loan.loan_id, ()))) for loan in self.loans.values())
        return [self._row(loan, owed, paid[loan.loan_id], day) for loan, owed in found if owed is not None]

    def draw(self, whose: object, what: str, nth: int = 0) -> Random:
        """The source of chance for one thing alone, so that the order of asking does not matter."""
        return Random(f"{self.seed}/{whose}/{what}/{nth}")

    @cached_property
    def _first_phone(self) -> int:
        return self.draw("portfolio", "phones").randrange(10_000)

    def _joins(self, number: int) -> bool:
        """Whether this borrower belongs to the household of the one before, who then heads it."""
        return self._drawn_to(number) and not self._drawn_to(number - 1)

    def _drawn_to(self, number: int) -> bool:
        return number > 0 and self.draw(number, "family").random() < 0.05

    def _long_behind(self, person: Person) -> date | None:
        """Of eventful portfolios a few were behind for months before they came to us."""
        draw = self.draw(person.borrower_id, "long")
        long = self.eventful and draw.random() < 0.08
        return self.start - timedelta(days=draw.randint(50, 110)) if long else None

    def _behind_since(self, draw: Random) -> date:
        if draw.random() < 0.35:
            return self.start - timedelta(days=min(int(draw.expovariate(1 / 12)), 75))
        return self.start + timedelta(days=draw.randrange(max(self.days, 1)))

    def _row(self, loan: SimulatedLoan, owed: Owed, paid: Decimal, day: date) -> dict[str, str]:
        who = loan.borrower
        return {
            "tenant": self.tenant,
            "loan_id": loan.loan_id,
            "borrower_id": who.borrower_id,
            "borrower_name": who.name,
            "phone": who.phone,
            "email": who.email or "",
            "push_token": who.push_token or "",
            "address": who.home.address,
            "latitude": f"{who.home.latitude:.5f}",
            "longitude": f"{who.home.longitude:.5f}",
            "region": who.home.city.region if who.place_known else "",
            "time_zone": who.home.city.time_zone if who.place_known else "",
            "language": who.language,
            "product": loan.product,
            "currency": loan.currency,
            "principal_outstanding": str(max(loan.principal - paid, owed.amount)),
            "amount_overdue": str(owed.amount),
            "overdue_since": owed.since.isoformat(),
            "business_date": day.isoformat(),
        }


@dataclass(frozen=True)
class _Product:
    name: str
    prefix: str
    median: int
    spread: float
    months: tuple[int, ...]


_PRODUCTS = (
    _Product("consumer", "CL", 24_000, 0.8, (12, 18, 24, 36)),
    _Product("card", "CC", 9_000, 0.7, (10,)),
    _Product("auto", "AL", 90_000, 0.4, (36, 48, 60)),
    _Product("mortgage", "ML", 900_000, 0.5, (240, 300, 360)),
)
_FREQUENT = (5, 4, 1, 1)
_YEARLY_RATE = {"consumer": 0.146, "card": 0.18, "auto": 0.072, "mortgage": 0.036}


EVERY = timedelta(days=30)
"""An instalment falls due this long after the one before."""


def _loan(draw: Random, person: Person, country: Country, number: int, product: _Product, since: date) -> SimulatedLoan:
    principal = round(draw.lognormvariate(0, product.spread) * product.median, -2) + 500
    months, rate = draw.choice(product.months), _YEARLY_RATE[product.name] / 12
    instalment = principal * rate / (1 - (1 + rate) ** -months)
    return SimulatedLoan(
        f"{product.prefix}-{person.number + 100_000}-{number}",
        person,
        product.name,
        country.currency,
        country.sum(Decimal(principal)),
        country.sum(Decimal(instalment)),
        since,
    )


# Asked again every day of a year for the same loan, of which little has changed since the day before.
@lru_cache(maxsize=65_536)
def _owed(
    since: date, instalment: Decimal, instalments: int, paid: Sequence[tuple[date, Decimal]], *, relapses: bool
) -> Owed | None:
    missed: list[Owed] = []
    for number in range(instalments):
        due = since + number * EVERY
        missed = _after(missed, [amount for at, amount in paid if at < due])
        paid = [(at, amount) for at, amount in paid if at >= due]
        if number == 0 or missed or (relapses and number == 1):
            missed = [*missed, Owed(instalment, due)]
    missed = _after(missed, [amount for _, amount in paid])
    return Owed(sum((one.amount for one in missed), Decimal(0)), missed[0].since) if missed else None


def _after(missed: Sequence[Owed], payments: Iterable[Decimal]) -> list[Owed]:
    """What stays missed after `payments`, the oldest being paid first. What is left over is not kept."""
    left = list(missed)
    for payment in payments:
        rest = payment
        while left and rest > 0:
            part = min(rest, left[0].amount)
            rest -= part
            left[0] = Owed(left[0].amount - part, left[0].since)
            left = left[1:] if not left[0].amount else left
    return left
