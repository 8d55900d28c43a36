"""What commands print: plain text in aligned columns; colour and progress on a terminal only."""

import re
import shutil
import sys
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from time import monotonic
from typing import Annotated

import typer
from click import style, unstyle

from doorstep.locales.languages import LANGUAGES, Language, matching, short

GAP = "  "
NARROWEST = 20
"""Cells that the last column gets, however wide the others are."""
Progress = Callable[[str, int, int], None]
"""What is done, how much of it, and of how much: 0 where nobody knows."""
_PIECES = re.compile(r"\x1b\[[\d;]*m|\s*[!-~]+|.")
"""Colours, words of a language with spaces, single characters of one without."""


def _language(wanted: str) -> Language:
    if (found := matching(wanted)) is None:
        raise typer.BadParameter(f"there is {', '.join(map(short, LANGUAGES))}")
    return found


Lang = Annotated[Language, typer.Option(parser=_language, metavar="TAG", help="language of the sentences")]


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    title: str = "",
    right: Collection[int] = (),
    width: int | None = None,
) -> str:
    """Rows below the names of their columns; those in `right` end on the right. The last column folds so that a line
    takes at most `width` cells, by default the terminal's; 0 is any width, as where no terminal is."""
    body = [list(row) for row in rows]
    widths = [
        max(_cells(line) for cell in column for line in cell.split("\n")) for column in zip(columns, *body, strict=True)
    ]
    if room := _room() if width is None else width:
        widths[-1] = min(widths[-1], max(NARROWEST, room - sum(one + len(GAP) for one in widths[:-1])))
    lines = [style(title, bold=True)] if title else []
    for row in (columns, ["─" * one for one in widths], *body):
        folded = [_folded(cell, one) for cell, one in zip(row, widths, strict=True)]
        for parts in zip_longest(*folded, fillvalue=""):
            padded = (
                _padded(part, one, nth in right) for nth, (part, one) in enumerate(zip(parts, widths, strict=True))
            )
            lines.append(GAP.join(padded).rstrip())
    return "\n".join(lines)


def printable(text: str) -> str:
    """What somebody else wrote, for a terminal: whatever would move, colour or hide there is spelled out, such as
    `\\x1b`. Line breaks stay."""
    return "".join(one if one.isprintable() or one == "\n" else ascii(one)[1:-1] for one in text)


@contextmanager
def progress() -> Iterator[Progress]:
    """How far the work is, in a line of the terminal that is gone afterwards; nothing where no terminal is."""
    last = 0.0

    def moved(what: str, done: int, total: int) -> None:
        nonlocal last
        if monotonic() - last > 0.1:
            last = monotonic()
            _line(f"{what} {done:,}" + (f" of {total:,}" if total else ""))

    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    try:
        yield moved
    finally:
        _line("")


def _line(text: str) -> None:
    sys.stderr.write(f"\r{text}\x1b[K")
    sys.stderr.flush()


def _room() -> int:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 0


def _cells(text: str) -> int:
    """What it takes on a terminal: a Chinese character is two cells wide."""
    return sum(1 + (unicodedata.east_asian_width(one) in "WF") for one in unstyle(text))


def _padded(text: str, width: int, right: bool) -> str:
    space = " " * (width - _cells(text))
    return space + text if right else text + space


def _folded(cell: str, width: int) -> Iterator[str]:
    for text in cell.split("\n"):
        line = ""
        for piece in [text] if _cells(text) <= width else _PIECES.findall(text):
            if line and _cells(line + piece) > width:
                yield line
                line = ""
            line += piece if line else piece.lstrip()
        yield line
