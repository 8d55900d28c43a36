"""What collectors read before they go."""

from typing import get_args

from doorstep.events.escalation.permits import Duty
from visit_scheduler.domain.instructions import SENTENCES


def test_every_duty_is_a_sentence_in_both_languages() -> None:
    assert set(SENTENCES) == set(get_args(Duty))
    assert all(zh.endswith("。") and en.endswith(".") for zh, en in SENTENCES.values())
