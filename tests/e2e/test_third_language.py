"""A third language is one new folder: everything people read comes out in it, and no code was touched."""

import json
import os
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from audit.presentation import page, pdf
from audit.presentation.present import present
from audit.timeline.domain import timeline
from doorstep.events.envelope import decode
from doorstep.events.escalation.permits import ContactDenied, ContactPermitted
from doorstep.events.registry import known
from doorstep.locales.languages import FOLDER, Language
from escalation.domain.explanation import explain
from fastapi import Request
from reminder.templates import template_for
from visit_scheduler.domain import notices

from tests.support.audit import START, Story, example
from tests.support.visits import BORROWER, appointment, terms

ROOT = Path(__file__).parents[2]
MADE_UP = "eo"
MARK = "※"


class Looked(page.View):
    """Of somebody whose browser asks for the language; links lead nowhere."""

    def link(self, name: str, path: object = None, **query: object) -> str:
        return "/"


def tell(language: Language) -> None:
    """Prints what people read; runs in a process whose languages are those of a copied folder."""
    story = Story()
    for name in sorted(name for name in known() if name.startswith("doorstep.")):
        story.tell(example(known()[name]), START + timedelta(hours=1))
    shown = present(timeline("case-1", story.entries), language)
    view = Looked(Request({"type": "http", "headers": [(b"accept-language", language.encode())]}), None)
    visit = appointment(terms=terms(language=language))
    letter = notices.template(language, "letter")
    decisions = [Story().tell(example(cls), START) for cls in (ContactPermitted, ContactDenied)]
    read = {
        "timeline": [line.sentence for line in shown.lines],
        "explanations": [explain(decode(entry.value), language) for entry in decisions],
        "messages": [
            template_for("sms", "reminder", language).render(name="n", amount="a", lender="l", phone="p"),
            notices.render(letter, visit, BORROWER, notices.Lender("l", "p")),
        ],
        "pages": [bytes(page.case(view, shown, may_open=True).body).decode(), pdf.data(shown)],
    }
    sys.stdout.write(json.dumps(read))


def marked(text: object) -> object:
    if isinstance(text, dict):
        return {name: marked(one) for name, one in text.items()}
    return f"{text}{MARK}"


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What the child process told, with a folder more than we have: the English one, each text with a mark."""
    copied = tmp_path_factory.mktemp("third")
    shutil.copytree(ROOT / "shared" / "doorstep", copied / "doorstep", ignore=shutil.ignore_patterns("__pycache__"))
    folder = copied / "doorstep" / "locales" / MADE_UP
    shutil.copytree(folder.with_name("en"), folder)
    for file in folder.glob("*.yaml"):
        file.write_text(json.dumps(marked(yaml.safe_load(file.read_text(encoding="utf-8"))), ensure_ascii=False))
    for file in folder.rglob("*.txt"):
        file.write_text(file.read_text(encoding="utf-8") + MARK)
    command = f"from tests.e2e.test_third_language import tell; tell('{MADE_UP}')"
    done = subprocess.run(
        [sys.executable, "-c", command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(copied), str(ROOT)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, list[str]] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize("kind", ["timeline", "explanations", "messages", "pages"])
def test_what_people_read_is_in_it(read: dict[str, list[str]], kind: str) -> None:
    assert read[kind]
    assert [one for one in read[kind] if MARK not in one] == []


def test_a_page_in_it_names_itself_and_offers_every_language(read: dict[str, list[str]]) -> None:
    drawn = read["pages"][0]
    assert f'<html lang="{MADE_UP}">' in drawn
    assert all(f'hreflang="{language}"' in drawn for language in ("zh-CN", "en", MADE_UP))


def test_the_folder_is_not_among_ours() -> None:
    assert not FOLDER.joinpath(MADE_UP).is_dir()
