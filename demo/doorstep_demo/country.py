"""What a country is made of, as far as its borrowers are concerned: homes, names, numbers, money."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from zoneinfo import ZoneInfo

from doorstep.events.values import Language

Both = tuple[str, str]
"""The same in Chinese and in English."""
HOUSE = "Room {room}, Block {block}, {estate}, {number} {street}, {district}, {city}"


@dataclass(frozen=True)
class City:
    """A real city: its place (ISO 3166-2, decimal degrees, IANA zone), and districts that lie in it. `weight` is how
    likely somebody lives there, of all the country's."""

    zh: str
    en: str
    region: str
    latitude: float
    longitude: float
    weight: int
    districts: tuple[Both, ...]
    time_zone: str


@dataclass(frozen=True)
class Names:
    """Given names of women and of men, surnames by frequency. `middle` come before most given names, `feminine` is
    what a woman's surname ends in; `surname_first` also in Latin script."""

    women: Sequence[str]
    men: Sequence[str]
    surnames: Mapping[str, int]
    middle: str = ""
    feminine: str = ""
    surname_first: bool = False
    space: str = " "


@dataclass(frozen=True)
class Country:
    """`code` is ISO 3166-1, `clock` the lender's. `one_clock`: everybody lives by it, whatever their zone is called.
    `rate` is how many of `currency` are worth as much as 1 yuan in this portfolio, `step` the smallest sum in use.
    `phones` are patterns of numbers that nobody has, each # a digit; `address` is written in each language, with
    number, street, estate, block, room, district, city and state (the region's own code) filled in."""

    code: str
    clock: str
    language: Language
    currency: str
    rate: Decimal
    step: Decimal
    cities: tuple[City, ...]
    names: Names
    phones: tuple[str, ...]
    streets: tuple[Both, ...]
    address: Mapping[Language, str]
    agencies: Both
    estates: tuple[Both, ...] = (("", ""),)
    foreigners: float = 0.0
    one_clock: bool = False

    @property
    def zone(self) -> ZoneInfo:
        """The lender's time zone: its business date is the date there."""
        return ZoneInfo(self.clock)

    def sum(self, yuan: Decimal) -> Decimal:
        """As much as `yuan` in this currency, in whole steps."""
        return (yuan * self.rate).quantize(self.step)

    def phone(self, number: int) -> str:
        """The `number`-th telephone number, from 0. Different numbers until all patterns are used up."""
        block, pattern = self._pattern(number)
        capacity = 10 ** pattern.count("#")
        # 7,919 shares no factor with a power of ten: neighbours do not look like neighbours, and none comes twice.
        digits = iter(f"{block * 7_919 % capacity:0{pattern.count('#')}}")
        return "".join(next(digits) if sign == "#" else sign for sign in pattern)

    def _pattern(self, number: int) -> tuple[int, str]:
        capacity = 10 ** self.phones[0].count("#")
        block, within = divmod(number, capacity)
        return within, self.phones[block % len(self.phones)]


def alike(*texts: str) -> tuple[Both, ...]:
    """Texts that are written the same in both languages."""
    return tuple((text, text) for text in texts)


def city(name: str, region: str, time_zone: str, place: tuple[float, float], weight: int, *districts: str) -> City:
    """A city that is written the same in both languages."""
    return City(name, name, region, *place, weight, alike(*districts), time_zone)


def equally(*surnames: str) -> Mapping[str, int]:
    """Surnames that are equally frequent."""
    return dict.fromkeys(surnames, 1)
