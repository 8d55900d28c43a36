"""The timeline on paper, set by Typst. The same timeline gives the same bytes: they go into evidence bundles."""

import importlib.resources
from collections.abc import Mapping, Sequence
from functools import cache

import msgspec
import typst
from doorstep.locales.languages import Language
from doorstep.locales.text import LOCALES

from audit.presentation.formatting import instant
from audit.presentation.present import ShownLine, ShownTimeline, days, notes, who
from audit.presentation.sentences import label
from audit.timeline.domain import zone_named

FONT = "Noto Sans CJK SC"
PACKAGE = "fonts-noto-cjk"
TEMPLATE = (importlib.resources.files("audit.presentation") / "print" / "timeline.typ").read_bytes()


class NoFont(Exception):
    """This machine has no font with Chinese characters; the message says what to install."""


def pdf(shown: ShownTimeline, *, opened: bool = False) -> bytes:
    """`shown` as A4 pages; `opened`: with what was under seal, which `shown` then holds in clear. Takes about a
    millisecond a line, so call it in a thread. Raises NoFont.

    What stands in the data reaches Typst as JSON and never as markup."""
    return bytes(
        typst.compile(
            TEMPLATE,
            sys_inputs={"timeline": data(shown, opened=opened)},
            font_paths=_fonts(),
            # Nothing of the machine's clock: when the newest of it was taken in.
            timestamp=max((int(line.entry.absorbed.timestamp()) for line in shown.lines if line.entry), default=0),
        )
    )


def data(shown: ShownTimeline, *, opened: bool = False) -> str:
    """What Typst is given beside the template, as JSON."""
    return msgspec.json.encode(_data(shown, opened)).decode()


@cache
def _fonts() -> typst.Fonts:
    fonts = typst.Fonts()
    if FONT not in fonts.families():
        raise NoFont(f"there is no font for Chinese: install {PACKAGE} (apt-get install {PACKAGE})")
    return fonts


def _data(shown: ShownTimeline, opened: bool) -> Mapping[str, object]:
    language, groups = shown.language, LOCALES[shown.language].groups
    as_of, told = label("as_of_now", language), days(shown.merged().lines)
    if shown.as_of:
        as_of = label("as_of_notice", language, at=instant(shown.as_of, zone_named(shown.zone)))
    return {
        "lang": language.partition("-")[0],
        "region": LOCALES[language].text("language", "region"),
        "font": FONT,
        "title": f"{label('case', language)} {shown.case_id}",
        "as_of": as_of,
        "zone": label("times_in", language, zone=shown.zone),
        "foot": label("rests_on", language, count=shown.size),
        "labels": {**groups["words"], **groups["labels"]},
        "glance": _glance(shown),
        "disputes": shown.summary["disputes"],
        "days": [{"day": day, "lines": [_line(one, language) for one in lines]} for day, lines in told],
        "opened": opened,
        "case_id": shown.case_id,
    }


def _glance(shown: ShownTimeline) -> Mapping[str, str]:
    """By the name of a label; a dash where there is nothing."""
    known, language = shown.summary, shown.language
    told = {
        "tenant": shown.tenant,
        "status": label(str(known["status"] or "none"), language),
        "overdue": " + ".join(_texts(known["overdue"])),
        "dpd": known["dpd"],
        "episode": known["episode"],
        "holds": ", ".join(label(kind, language) for kind in _texts(known["holds"])),
        "permitted": known["permitted"],
        "refused": known["denied"],
        "sent": known["sent"],
        "visited": known["visited"],
        "late_facts": known["late"],
        "missing": known["missing"],
        "violations": known["violations"],
    }
    return {name: "—" if value in (None, "") else str(value) for name, value in told.items()}


def _texts(value: object) -> Sequence[str]:
    return value if isinstance(value, tuple) else ()


def _line(line: ShownLine, language: Language) -> Mapping[str, object]:
    """The line with what Typst shall not work out: its time of day, who, and the notes below it."""
    told: dict[str, object] = msgspec.to_builtins(line)
    clock = line.recorded.strftime("%H:%M:%S") if line.recorded else ""
    return told | {"clock": clock, "positions": line.positions, "notes": [*who(line, language), *notes(line, language)]}
