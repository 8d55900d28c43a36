"""Invented people: names, homes and telephone numbers that nobody has.

Every draw comes from a `random.Random` that is named by what it is drawn for, so that no person depends
on how many were made before.
"""

from dataclasses import dataclass
from random import Random

from doorstep.events.values import Language

from doorstep_demo.country import City, Country
from doorstep_demo.places_china import CHINA


@dataclass(frozen=True)
class Home:
    """Where somebody lives. Coordinates are in decimal degrees."""

    city: City
    address: str
    latitude: float
    longitude: float


def language(draw: Random, country: Country) -> Language:
    """The language of a household: the country's, but for a few foreigners."""
    return "en" if draw.random() < country.foreigners else country.language


def name(draw: Random, language: Language, surname: str | None = None, country: Country = CHINA) -> str:
    """A full name; with `surname` a member of that family."""
    if language != country.language:
        return f"{draw.choice(_FOREIGN_GIVEN)} {surname or draw.choice(_FOREIGN_SURNAMES)}"
    names = country.names
    women = draw.choice((True, False))
    given = draw.choice(names.women if women else names.men)
    if names.middle and draw.random() < 0.82:
        given = draw.choice(names.middle) + given
    family = (surname or surname_of(draw, country)) + (names.feminine if women else "")
    return names.space.join((family, given) if names.surname_first else (given, family))


def surname_of(draw: Random, country: Country = CHINA) -> str:
    """A surname of the country, as frequent as it is."""
    surnames = country.names.surnames
    return draw.choices(tuple(surnames), tuple(surnames.values()))[0]


def home(draw: Random, language: Language, country: Country = CHINA) -> Home:
    """A home in a real district, on a street as every city has one, at a house that is invented."""
    city = draw.choices(country.cities, [city.weight for city in country.cities])[0]
    district = draw.choice(city.districts)
    street, estate = draw.choice(country.streets), draw.choice(country.estates)
    number, block = draw.randint(2, 398), draw.randint(1, 16)
    room = f"{draw.randint(1, 26)}{draw.randint(1, 4):02}"
    english = language == "en"
    address = country.address[language].format(
        number=number,
        block=block,
        room=room,
        street=street[english],
        estate=estate[english],
        district=district[english],
        city=city.en if english else city.zh,
    )
    latitude, longitude = (round(at + draw.uniform(-0.06, 0.06), 5) for at in (city.latitude, city.longitude))
    return Home(city, address, latitude, longitude)


def phone(number: int, country: Country = CHINA) -> str:
    """The `number`-th telephone number of the country's patterns, from 0."""
    return country.phone(number)


def email(draw: Random, number: int) -> str | None:
    """Of most people, under a domain that nobody owns."""
    return f"borrower{number}@mail.example" if draw.random() < 0.85 else None


def push_token(draw: Random) -> str | None:
    """Of those who have the lender's app, as a push service would name it."""
    return draw.randbytes(24).hex() if draw.random() < 0.6 else None


_FOREIGN_GIVEN = (
    "Daniel", "Sarah", "Michael", "Emma", "Oliver", "Grace", "Thomas", "Priya", "Lucas", "Hannah",
    "Samuel", "Nadia", "Peter", "Julia", "Marcus", "Elena", "Victor", "Amara",
)  # fmt: skip
_FOREIGN_SURNAMES = (
    "Carter", "Bennett", "Okafor", "Lindqvist", "Murray", "Fernandez", "Novak", "Hughes", "Petrov", "Tan",
    "Sharma", "Keller", "Moreau", "Walsh", "Ferrari", "Dawson",
)  # fmt: skip
