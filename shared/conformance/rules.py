"""The numbers of the rules, written down by hand. Nothing is read from the packs.

Hours are half-open: [opens, closes) on the borrower's clock. Where a source speaks of a week or a month, a calendar
one is meant here; whoever counts any 7 or 31 days is stricter, which is allowed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import time
from typing import Literal

WAYS = ("sms", "voice", "email", "push", "letter", "visit")
MESSAGES = ("sms", "email", "push", "letter")
Hours = tuple[time, time] | None
Week = tuple[Hours, Hours, Hours, Hours]
"""On a workday, a Saturday, a Sunday, a public holiday."""


def _every_day(opens: time, closes: time) -> Week:
    return ((opens, closes),) * 4


@dataclass(frozen=True)
class Window:
    """When `ways` are allowed. `consent`: the borrower may agree to other hours. `until_dpd`: does not hold beyond."""

    rule: str
    week: Week
    ways: tuple[str, ...] = WAYS
    consent: bool = False
    until_dpd: int | None = None


@dataclass(frozen=True)
class Cap:
    """At most `limit` per `scope` in a period: a calendar day, week or month of the borrower's, or `days` days:
    "rolling" ones of 24 hours, or "local", the present day among them. `counts` which outcomes."""

    rule: str
    scope: Literal["person", "debt", "number"]
    period: Literal["day", "week", "month", "rolling", "local"]
    limit: int
    ways: tuple[str, ...] = WAYS
    days: int = 0
    counts: Literal["attempts", "answered", "unanswered"] = "attempts"


@dataclass(frozen=True)
class Rules:
    """What holds in a jurisdiction. `zones` are those a borrower may be in whose zone is not known; `staff` collectors
    go together at least, announced `notice_hours` before; no call for `cool_down_days` from a conversation on, its day
    included; collection starts `notice_before` business days after its notice; validation information comes
    `validation_within` days of the first contact; records are kept `keep_years` from the end of the case at least."""

    country: str = ""
    zones: tuple[str, ...] = ()
    windows: tuple[Window, ...] = ()
    caps: tuple[Cap, ...] = ()
    staff: int = 1
    notice_hours: int = 0
    cool_down_days: int = 0
    notice_before: int = 0
    validation_within: int | None = None
    keep_years: int = 0


_DAY_AND_NIGHT = time(8), time(22)
HOUSE = Rules(
    windows=(
        Window("house hours", _every_day(*_DAY_AND_NIGHT), consent=True),
        Window("house visit hours", ((time(9), time(18)), (time(9), time(18)), None, None), ("visit",)),
    ),
    caps=(
        Cap("house: 1 message a day", "person", "day", 1, MESSAGES),
        Cap("house: 3 contacts in 7 days", "person", "rolling", 3, days=7),
        Cap("house: 1 visit in 30 days", "person", "rolling", 1, ("visit",), days=30),
    ),
    staff=2,
    notice_hours=24,
)
"""The lender's own policy as it comes with Doorstep: the pack `house`, version 1."""
STALE_AFTER_DAYS = 7
"""How old facts may be, where the lender does not say otherwise."""

_TO_NINE = _every_day(time(8), time(21))
_AMERICA = (
    *("New_York", "Detroit", "Chicago", "Menominee", "Denver", "Boise", "Phoenix", "Los_Angeles", "Anchorage"),
    *("Juneau", "Nome", "Adak"),
)
_RUSSIA = (
    *("Europe/Kaliningrad", "Europe/Moscow", "Europe/Samara", "Asia/Yekaterinburg", "Asia/Omsk", "Asia/Krasnoyarsk"),
    *("Asia/Irkutsk", "Asia/Yakutsk", "Asia/Vladivostok", "Asia/Magadan", "Asia/Kamchatka"),
)
_AUSTRALIA = ("Perth", "Eucla", "Darwin", "Adelaide", "Brisbane", "Sydney", "Melbourne", "Hobart", "Lord_Howe")

JURISDICTIONS: Mapping[str, Rules] = {
    "cn": Rules(
        "CN",
        ("Asia/Shanghai", "Asia/Urumqi"),
        (Window("GB/T 45251-2025: none 22-08", _every_day(*_DAY_AND_NIGHT), consent=True),),
        (
            Cap("GB/T 45251-2025: 3 effective calls a day", "person", "day", 3, ("voice",), counts="answered"),
            Cap("guideline: 6 unanswered dials a day", "number", "day", 6, ("voice",), counts="unanswered"),
        ),
        staff=2,
        keep_years=5,
    ),
    "us": Rules(
        "US",
        (*(f"America/{name}" for name in _AMERICA), "Pacific/Honolulu"),
        (Window("Reg F: 08-21", _TO_NINE),),
        (Cap("Reg F: 7 calls in 7 days", "debt", "local", 7, ("voice",), days=7),),
        cool_down_days=7,
        validation_within=5,
        keep_years=3,
    ),
    "in": Rules("IN", ("Asia/Kolkata",), (Window("RBI 2022: 08-19", _every_day(time(8), time(19))),)),
    "uk": Rules("GB", ("Europe/London",)),
    "kr": Rules(
        "KR",
        ("Asia/Seoul",),
        (Window("PDPA: none 21-08", _TO_NINE, ("voice", "visit")),),
        (Cap("PDPA: 7 contacts in 7 days", "debt", "rolling", 7, days=7),),
        notice_before=3,
    ),
    "ru": Rules(
        "RU",
        _RUSSIA,
        (
            Window(
                "230-FZ: 08-22, weekends and holidays 09-20",
                (_DAY_AND_NIGHT, (time(9), time(20)), (time(9), time(20)), (time(9), time(20))),
            ),
        ),
        (
            Cap("230-FZ: 1 meeting a week", "person", "week", 1, ("visit",)),
            Cap("230-FZ: 1 call a day", "person", "day", 1, ("voice",)),
            Cap("230-FZ: 2 calls a week", "person", "week", 2, ("voice",)),
            Cap("230-FZ: 8 calls a month", "person", "month", 8, ("voice",)),
        ),
        keep_years=3,
    ),
    "au": Rules(
        "AU",
        tuple(f"Australia/{name}" for name in _AUSTRALIA),
        (
            Window(
                "RG 96: phone 07:30-21, weekends 09-21",
                ((time(7, 30), time(21)), (time(9), time(21)), (time(9), time(21)), (time(9), time(21))),
                ("voice",),
            ),
            Window(
                "RG 96: face to face 09-21, no holidays",
                ((time(9), time(21)), (time(9), time(21)), (time(9), time(21)), None),
                ("visit",),
            ),
        ),
        (
            Cap("RG 96: 1 visit a month", "person", "month", 1, ("visit",)),
            Cap("RG 96: 3 contacts a week", "person", "week", 3),
            Cap("RG 96: 10 contacts a month", "person", "month", 10),
        ),
    ),
    "id": Rules(
        "ID",
        ("Asia/Jakarta", "Asia/Pontianak", "Asia/Makassar", "Asia/Jayapura"),
        (
            Window(
                "POJK 22/2023: Mon-Sat 08-20, no holidays",
                ((time(8), time(20)), (time(8), time(20)), None, None),
                consent=True,
            ),
        ),
    ),
    "th": Rules(
        "TH",
        ("Asia/Bangkok",),
        (
            Window(
                "Thailand: 08-20, holidays 08-18",
                ((time(8), time(20)), (time(8), time(18)), (time(8), time(18)), (time(8), time(18))),
            ),
        ),
        (Cap("Thailand: 1 contact a day", "person", "day", 1),),
    ),
    "ph": Rules(
        "PH",
        ("Asia/Manila",),
        (Window("SEC MC 18: 06-22 up to DPD 15", _every_day(time(6), time(22)), consent=True, until_dpd=15),),
    ),
    "tw": Rules(
        "TW",
        ("Asia/Taipei",),
        (Window("Taiwan: 07-22", _every_day(time(7), time(22)), consent=True),),
    ),
    "jp": Rules("JP", ("Asia/Tokyo",), (Window("Japan: none 21-08", _TO_NINE, ("voice", "visit")),)),
}
HOME = "CN"
"""Where a lender is at home that says nothing else."""
_BY_COUNTRY = {rules.country: rules for rules in JURISDICTIONS.values()}
KNOWN_PACKS = {"house", *JURISDICTIONS}
"""The packs of which we have numbers."""

Book = tuple[Rules, ...]
"""The rules that hold together; what the strictest says, holds."""


def jurisdiction(name: str) -> Book:
    """The rules of a lender at home in a jurisdiction, such as "us", whose borrowers live there. Raises KeyError."""
    return (JURISDICTIONS[name], HOUSE)


def book_of(countries: Iterable[str], packs: Iterable[tuple[str, str]], region: str | None) -> Book:
    """The rules of a lender and a borrower as a decision tells them: of every country whose rules it says were asked
    (the lender's home is always among them), and of the borrower's place whether they were asked or not. Where it names
    none, that of the packs it cites, else the home of a lender that says nothing. The house's numbers hold where the
    decision cites them: a lender that has its own policy is not held to ours."""
    cited = set(packs)
    asked = set(countries) or {JURISDICTIONS[name].country for name, _ in cited if name in JURISDICTIONS}
    asked |= {region[:2]} if region else set()
    house = (HOUSE,) if not cited or ("house", "1") in cited else ()
    return (*(_BY_COUNTRY[one] for one in sorted(asked or {HOME}) if one in _BY_COUNTRY), *house)
