"""The timeline in the terminal."""

from doorstep.events.values import Language
from rich.table import Table
from rich.text import Text

from audit.presentation.formatting import instant
from audit.presentation.labels import label
from audit.presentation.present import ShownLine, ShownTimeline, notes

_COLOURS = {
    "gap": "bold red",
    "denied": "yellow",
    "late": "magenta",
    "reevaluated": "magenta",
    "override": "cyan",
    "suspended": "red",
    "conflict": "bold red",
    "violation": "bold red",
}


def table(shown: ShownTimeline) -> Table:
    """Place in the log, time, who, what. A flag or a gap stands out by colour and by a word."""
    title = f"{label('case', shown.language)} {shown.case_id} · {shown.zone}"
    drawn = Table(title=title, title_justify="left", header_style="bold", expand=True, show_lines=False)
    drawn.add_column("#", justify="right", no_wrap=True)
    drawn.add_column(label("recorded", shown.language), no_wrap=True)
    drawn.add_column(label("who", shown.language), max_width=24, overflow="fold")
    # Chinese has no spaces to break at; without folding, amounts would give way to an ellipsis.
    drawn.add_column(label("what", shown.language), ratio=1, overflow="fold")
    for line in shown.lines:
        drawn.add_row(_place(line), _when(line), _who(line), _what(line, shown.language))
    return drawn


def _place(line: ShownLine) -> str:
    return str(line.entry.position) if line.entry else ""


def _when(line: ShownLine) -> str:
    return instant(line.recorded, line.recorded.tzinfo) if line.recorded and line.recorded.tzinfo else "—"


def _who(line: ShownLine) -> Text:
    return Text(f"{line.actor.id} ({line.actor.role})" if line.actor else "—")


def _what(line: ShownLine, language: Language) -> Text:
    marks: tuple[str, ...] = ("gap",) if line.kind == "gap" else line.flags
    said = Text()
    for mark in marks:
        said.append(f"[{label(mark, language)}] ", _COLOURS.get(mark, "bold"))
    said.append(line.sentence)
    if told := notes(line, language):
        said.append("\n" + " · ".join(told), "dim")
    return said
