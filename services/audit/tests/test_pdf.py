"""The timeline on paper: the same bytes for the same timeline, and text that stays text."""

import hashlib
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
import typst
from audit.presentation import pdf as printing
from audit.presentation.pdf import NoFont, pdf
from audit.presentation.present import ShownTimeline, present
from audit.store.entry import Entry
from audit.timeline.domain import timeline
from doorstep.events.escalation.holds import HoldLifted
from doorstep.events.escalation.loans import LoanOverdueRecorded
from doorstep.events.escalation.permits import ContactDenied, ContactPermitted, VisitPermitted
from doorstep.events.values import Language, Verdict

from tests.support.audit import START, Story, decision, example

HOSTILE = '#panic("no"); #import "/etc/passwd": *; ]; $x; *bold; @ref; `raw \\ /* ¥ «»'
REFUSES = Verdict(
    rule=HOSTILE, allowed=False, status="must", source=HOSTILE, confidence="high", detail=HOSTILE, detail_zh=HOSTILE
)


def told(language: Language = "en", *, tail: str = HOSTILE) -> ShownTimeline:
    """A case with a fact under seal, a decision, a gap, free text, an unknown type and a conflict."""
    story = Story(HOSTILE[:20])
    story.tell(example(LoanOverdueRecorded), START)
    story.tell(ContactDenied(channel="sms", decision=decision(REFUSES, earliest_next=START)), START)
    lost = story.tell(example(HoldLifted), START)
    story.tell(HoldLifted(hold_id="h", reason=tail), START + timedelta(days=1))
    drone = story.tell(example(ContactPermitted), START + timedelta(days=2))
    story.keep(drone.value.replace(b"doorstep.contact.permitted", b"doorstep.drone.dispatched"), START)
    entries: list[Entry] = [entry for entry in story.entries if entry is not lost]
    return present(timeline(story.case_id, entries), language, as_of=START + timedelta(days=9))


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_the_same_timeline_gives_the_same_bytes(language: Language) -> None:
    assert pdf(told(language)) == pdf(told(language))
    assert pdf(told(language)) != pdf(told(language, tail="another word"))


def test_nothing_in_the_data_is_read_as_markup() -> None:
    for words in HOSTILE.split(";"):
        with pytest.raises(typst.TypstError):
            typst.compile(words.encode())
    assert msgspec.json.encode(HOSTILE)[1:-1].decode() in printing.data(told())
    assert b"eval(" not in printing.TEMPLATE
    assert pdf(told()).startswith(b"%PDF-")


def test_every_kind_of_line_can_be_printed() -> None:
    story = Story()
    for event_type in (VisitPermitted, ContactPermitted, LoanOverdueRecorded):
        story.tell(example(event_type), START)
    opened = {entry.position: {"personal": HOSTILE} for entry in story.entries}
    shown = present(timeline("case-1", story.entries), "zh-CN", opened=opened)
    assert pdf(shown, opened=True) != pdf(shown)


def test_the_case_without_lines_is_a_page_too() -> None:
    assert pdf(present(timeline("case-1", []), "en")).startswith(b"%PDF-")


def test_without_a_chinese_font_the_error_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printing, "FONT", "No Such Font")
    printing._fonts.cache_clear()
    with pytest.raises(NoFont, match="apt-get install fonts-noto-cjk"):
        pdf(told())
    printing._fonts.cache_clear()


def test_the_same_bytes_come_out_of_another_process() -> None:
    script = (
        "import hashlib, sys; sys.path.append(sys.argv[1]); from test_pdf import pdf, told;"
        " print(hashlib.sha256(pdf(told())).hexdigest())"
    )
    here = Path(__file__).parent
    command = [sys.executable, "-c", script, str(here.parents[2])]
    other = subprocess.run(command, cwd=here, capture_output=True, text=True, check=True)
    assert other.stdout.strip() == hashlib.sha256(pdf(told())).hexdigest()
