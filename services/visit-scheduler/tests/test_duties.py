"""What collectors read before they go."""

from typing import get_args

from doorstep.events.escalation.permits import Duty
from doorstep.locales.text import LOCALES


def test_every_duty_is_a_sentence_in_both_languages() -> None:
    assert set(LOCALES["zh-CN"].groups["instructions"]) == set(get_args(Duty))
    for duty in get_args(Duty):
        assert LOCALES["zh-CN"].text("instructions", duty).endswith("。")
        assert LOCALES["en"].text("instructions", duty).endswith(".")
