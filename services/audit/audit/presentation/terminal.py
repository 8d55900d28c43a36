"""The timeline in the terminal."""

import typer
from doorstep.app.printing import table
from doorstep.events.values import Language

from audit.presentation.formatting import instant
from audit.presentation.present import ShownLine, ShownTimeline, notes
from audit.presentation.sentences import label

_COLOURS = {
    "gap": "red",
    "denied": "yellow",
    "late": "magenta",
    "reevaluated": "magenta",
    "override": "cyan",
    "suspended": "red",
    "conflict": "red",
    "violation": "red",
}
_LOUD = {"gap", "conflict", "violation"}


def timeline_table(shown: ShownTimeline, width: int | None = None) -> str:
    """Place in the log, time, who, what. A flag or a gap stands out by colour and by a word."""
    language = shown.language
    columns = ("#", *(label(name, language) for name in ("recorded", "who", "what")))
    rows = [(_place(line), _when(line), _who(line), _what(line, language)) for line in shown.merged().lines]
    title = f"{label('case', language)} {shown.case_id} · {shown.zone}"
    return table(columns, rows, title=title, right={0}, width=width)


def _place(line: ShownLine) -> str:
    return ", ".join(map(str, line.positions))


def _when(line: ShownLine) -> str:
    return instant(line.recorded, line.recorded.tzinfo) if line.recorded and line.recorded.tzinfo else "—"


def _who(line: ShownLine) -> str:
    return f"{line.actor.id} ({line.actor.role})" if line.actor else "—"


def _what(line: ShownLine, language: Language) -> str:
    marks: tuple[str, ...] = ("gap",) if line.kind == "gap" else line.flags
    flags = [typer.style(f"[{label(mark, language)}]", fg=_COLOURS.get(mark), bold=mark in _LOUD) for mark in marks]
    below = [typer.style(" · ".join(told), dim=True)] if (told := notes(line, language)) else []
    return "\n".join((" ".join((*flags, line.sentence)), *below))
