"""Every country's borrowers are believable, and nobody's."""

from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import phonenumbers
import pytest
from babel.core import get_global
from babel.numbers import get_currency_precision
from doorstep.intake.rows import GoodRow, parse
from doorstep.messaging.channels import Destination
from doorstep.messaging.gateways import Message
from doorstep_demo.circumstances import Answered, Told, circumstance
from doorstep_demo.country import Country
from doorstep_demo.places import COUNTRIES
from doorstep_demo.portfolio import Portfolio
from doorstep_demo.world import MemoryGateway

START = date(2026, 1, 5)
WORTH_A_VISIT = {
    "CNY": 5_000, "TWD": 20_000, "USD": 700, "INR": 25_000, "GBP": 600, "KRW": 900_000, "RUB": 50_000, "AUD": 1_000,
    "IDR": 8_000_000, "THB": 20_000, "PHP": 30_000, "JPY": 100_000,
}  # fmt: skip

every_country = pytest.mark.parametrize("country", COUNTRIES.values(), ids=COUNTRIES)


def portfolio(country: Country, *, eventful: bool = False) -> Portfolio:
    return Portfolio(seed=5, borrowers=300, days=90, start=START, country=country, eventful=eventful)


@every_country
def test_numbers_are_of_the_country_and_different(country: Country) -> None:
    numbers = [country.phone(number) for number in range(4_000)]
    assert len(set(numbers)) == len(numbers)
    for number in numbers[::37]:
        assert phonenumbers.is_valid_number_for_region(phonenumbers.parse(number, country.code), country.code), number


@every_country
def test_cities_lie_in_zones_and_regions_of_the_country(country: Country) -> None:
    zones = set(get_global("territory_zones")[country.code]) | {"Asia/Kolkata"}
    for city in country.cities:
        assert city.region.startswith(f"{country.code}-")
        assert city.time_zone in zones, city.en
        assert city.districts
        assert -90 < city.latitude < 90


def test_large_countries_have_several_zones() -> None:
    zones = {name: {city.time_zone for city in country.cities} for name, country in COUNTRIES.items()}
    america = {"America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "America/Phoenix"}
    assert america | {"Pacific/Honolulu"} <= zones["us"]
    assert {"Europe/Moscow", "Asia/Vladivostok"} <= zones["ru"]
    assert (len(zones["au"]), len(zones["id"])) == (7, 4)


@every_country
def test_sums_are_in_the_currency_and_some_are_worth_a_visit(country: Country) -> None:
    loans = portfolio(country).loans.values()
    assert {loan.currency for loan in loans} == {country.currency}
    digits = -int(country.step.as_tuple().exponent)
    assert digits <= get_currency_precision(country.currency)
    assert all(loan.instalment == loan.instalment.quantize(country.step) for loan in loans)
    three_missed = sum(3 * loan.instalment >= WORTH_A_VISIT[country.currency] for loan in loans)
    assert len(loans) / 5 < three_missed < len(loans)


@every_country
def test_every_row_passes_the_importer(country: Country) -> None:
    rows = portfolio(country).snapshot_rows(START + timedelta(days=40), [])
    assert all(isinstance(parse(2, row), GoodRow) for row in rows)
    assert {row["language"] for row in rows} <= {country.language, "en"}


@every_country
def test_people_live_by_the_clock_of_their_home(country: Country) -> None:
    for person in portfolio(country).people:
        assert person.clock == (country.zone if country.one_clock else ZoneInfo(person.home.city.time_zone))


def test_the_same_seed_has_the_same_people_behind_in_any_country() -> None:
    behind = {tuple(loan.overdue_since for loan in portfolio(country).loans.values()) for country in COUNTRIES.values()}
    assert len(behind) == 1


def test_sums_are_worth_the_same_everywhere() -> None:
    assert COUNTRIES["jp"].sum(Decimal(5_000)) == 100_000
    assert COUNTRIES["us"].sum(Decimal(5_000)) == Decimal("700.00")


def test_circumstances_befall_only_eventful_portfolios_and_are_the_same_each_time() -> None:
    plain, eventful = portfolio(COUNTRIES["us"]), portfolio(COUNTRIES["us"], eventful=True)
    found = [circumstance(eventful, person) for person in eventful.people]
    assert found == [circumstance(eventful, person) for person in reversed(eventful.people)][::-1]
    assert {circumstance(plain, person) for person in plain.people} == {None}
    routes = Counter(one.route.path.rpartition("/")[2] for one in found if isinstance(one, Told))
    assert set(routes) == {"holds", "consents", "blocks"}
    assert {one.kind for one in found if isinstance(one, Answered)} == {"complaint", "opt-out"}


def test_in_eventful_portfolios_a_few_were_behind_for_months() -> None:
    loans = portfolio(COUNTRIES["uk"], eventful=True).loans.values()
    assert 5 < sum(loan.overdue_since < START - timedelta(days=45) for loan in loans) < 60


async def test_the_memory_gateway_takes_a_message_once() -> None:
    gateway = MemoryGateway()
    message = Message(
        idempotency_key="k", channel="sms", to=Destination("phone", "+1"), text="t", language="en", case_id="c"
    )
    assert await gateway.find("k") is None
    first = await gateway.send(message)
    assert await gateway.send(message) == first == await gateway.find("k")
    assert gateway.heard == [message]
