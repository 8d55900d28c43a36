"""The countries in which a portfolio can live, by jurisdiction."""

from collections.abc import Mapping
from typing import Literal

from doorstep_demo.country import Country
from doorstep_demo.places_asia import INDIA, INDONESIA, JAPAN, KOREA, PHILIPPINES, THAILAND
from doorstep_demo.places_china import CHINA, TAIWAN
from doorstep_demo.places_west import AUSTRALIA, RUSSIA, UNITED_KINGDOM, UNITED_STATES

Jurisdiction = Literal["cn", "us", "in", "uk", "kr", "ru", "au", "id", "th", "ph", "tw", "jp"]

COUNTRIES: Mapping[Jurisdiction, Country] = {
    "cn": CHINA,
    "us": UNITED_STATES,
    "in": INDIA,
    "uk": UNITED_KINGDOM,
    "kr": KOREA,
    "ru": RUSSIA,
    "au": AUSTRALIA,
    "id": INDONESIA,
    "th": THAILAND,
    "ph": PHILIPPINES,
    "tw": TAIWAN,
    "jp": JAPAN,
}
