"""The mildest means first, a visit last."""

from datetime import timedelta
from decimal import Decimal

import pytest
from doorstep.events.common import Money
from escalation.strategy import BROKEN, EARLY, LATE, MIDDLE, Step, bucket, contact_step, visit_wanted

WORTH = Money(Decimal(5000), "CNY")


@pytest.mark.parametrize(
    ("dpd", "name"),
    [(1, "1-30"), (30, "1-30"), (31, "31-60"), (60, "31-60"), (61, "61-90"), (90, "61-90"), (91, "91+"), (999, "91+")],
)
def test_the_bucket_of_a_number_of_days(dpd: int, name: str) -> None:
    assert bucket(dpd) == name


@pytest.mark.parametrize(
    ("dpd", "step"), [(1, EARLY), (30, EARLY), (31, MIDDLE), (60, MIDDLE), (61, LATE), (400, LATE)]
)
def test_the_step_follows_the_days_past_due(dpd: int, step: Step) -> None:
    assert contact_step(dpd, promise_broken=False) == step


def test_a_broken_promise_comes_first_and_by_message() -> None:
    for dpd in (1, 45, 200):
        assert contact_step(dpd, promise_broken=True) == BROKEN
    assert (BROKEN.channel, BROKEN.every) == ("sms", timedelta(days=1))


def test_early_on_nobody_is_called() -> None:
    assert EARLY.channel == "sms"


@pytest.mark.parametrize(
    ("dpd", "amount", "unanswered", "wanted"),
    [
        (61, WORTH, 3, True),
        (60, WORTH, 3, False),
        (61, Money(Decimal("4999.99"), "CNY"), 3, False),
        (61, WORTH, 2, False),
        (400, Money(Decimal(700), "USD"), 9, True),
        (400, Money(Decimal(10**9), "XAU"), 9, False),
    ],
)
def test_a_visit_needs_days_and_an_amount_and_silence(dpd: int, amount: Money, unanswered: int, wanted: bool) -> None:
    assert visit_wanted(dpd, amount, unanswered) == wanted
