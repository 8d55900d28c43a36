"""What comes into a message from outside can be seen, and turns nothing round."""

import pytest
from doorstep.messaging.channels import CHANNELS, Destination, NoRecipient, possible
from doorstep.messaging.templates import parse, plain, visible

from tests.support.visits import BORROWER


@pytest.mark.parametrize(
    "unseen", ["\u202e", "\u2066", "\u200f", "\u061c", "\ufeff", "\u200b", "\x1b", "\x00", "\u2028", "\x9b"]
)
def test_what_is_not_seen_or_turns_the_reading_round_is_left_out(unseen: str) -> None:
    template = parse("en/sms/reminder", b"version: 1\nDear {{ name }}, you owe {{ amount }}.")
    assert template.render(name=f"Zh{unseen}ang", amount=f"{unseen}100") == "Dear Zhang, you owe 100."
    assert plain(f"Zh{unseen}ang  San") == "Zhang San"


def test_what_scripts_need_stays() -> None:
    for text in ("می\u200cخواهم", "क्\u200dष", "张三丰", "José", "line\nbreak"):
        assert visible(text) == text


@pytest.mark.parametrize("number", ["abc", "12", "+86", "+861380013800013800138", ""])
def test_what_cannot_be_a_number_is_called_by_nobody(number: str) -> None:
    assert not possible(number, "CN-GD")
    with pytest.raises(NoRecipient):
        CHANNELS["sms"].destination(type(BORROWER)(borrower_id="B", name="n", phone=number), "CN-GD")


def test_a_possible_number_is_called_in_its_international_form() -> None:
    assert CHANNELS["sms"].destination(BORROWER, "CN-SH") == Destination("phone", "+8613800000001")
