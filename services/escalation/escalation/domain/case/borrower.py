"""The borrower, as the latest fact about any of their loans tells: where they may be, and how they are reached."""

import msgspec
from doorstep.events.escalation.loans import LoanOverdueRecorded
from doorstep.events.values import ContactPoint, Language, Sealed
from doorstep.locales.languages import DEFAULT

from escalation.domain.case.loans import NEVER, Fact, Order, order


class BorrowerProfile(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the borrower without opening `personal`. The tokens are those the caps per number and address
    count by."""

    known_as_of: Order = NEVER
    personal: Sealed | None = None
    language: Language = DEFAULT
    region: str | None = None
    time_zone: str | None = None
    phone_token: str | None = None
    address_token: str | None = None
    contact_points: tuple[ContactPoint, ...] = ()

    @property
    def country(self) -> str | None:
        """The country of the `region` (ISO 3166-2)."""
        return self.region[:2] if self.region else None


def evolve(borrower: BorrowerProfile, fact: Fact) -> BorrowerProfile:
    """The borrower after `fact`: late for its loan, it may still be the latest that tells of them."""
    if not isinstance(fact, LoanOverdueRecorded) or (known_as_of := order(fact)) < borrower.known_as_of:
        return borrower
    return BorrowerProfile(
        known_as_of=known_as_of,
        personal=fact.personal,
        language=fact.language,
        region=fact.region,
        time_zone=fact.time_zone,
        phone_token=fact.phone_token,
        address_token=fact.address_token,
        contact_points=_contact_points(fact),
    )


def _contact_points(fact: LoanOverdueRecorded) -> tuple[ContactPoint, ...]:
    if fact.contact_points is not None:
        return fact.contact_points
    return ("phone", "address") if fact.address_token else ("phone",)
