"""A bank's end-of-day file: comma-separated, perhaps gzipped, perhaps not in UTF-8."""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from doorstep.intake.mapping import COLUMNS, REQUIRED, ColumnMapping
from doorstep.intake.rows import BadRow, GoodRow, RowError, parse


class UnreadableFile(Exception):
    """The file as a whole cannot be read; the message says why and what to do."""


def read(path: Path, mapping: ColumnMapping) -> Iterator[GoodRow | BadRow]:
    """Every row of `path` with the line it begins on, checked. Raises UnreadableFile."""
    with _opened(path, mapping.encoding) as file:
        yield from read_lines(file, mapping)


def read_lines(file: IO[str], mapping: ColumnMapping) -> Iterator[GoodRow | BadRow]:
    """As `read`, from open text. Raises UnreadableFile."""
    reader = csv.reader(file, delimiter=mapping.delimiter, strict=True)
    try:
        header = _header(next(reader, None), mapping)
        line = reader.line_num + 1
        for cells in reader:
            if cells:
                yield _row(line, header, cells, mapping)
            line = reader.line_num + 1
    except csv.Error as error:
        raise UnreadableFile(f"line {reader.line_num}: the file stops being CSV here: {error}") from None


@contextmanager
def _opened(path: Path, encoding: str) -> Iterator[IO[str]]:
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            content = gzip.GzipFile(fileobj=raw) if packed else raw
            # surrogateescape keeps what the codec cannot read as marks, so that one bad byte is a bad row
            # with a line number and not the end of the file.
            with io.TextIOWrapper(content, encoding, errors="surrogateescape", newline="") as file:
                yield file
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UnreadableFile(f"{path.name} is a damaged gzip file: {error}") from None
    except UnicodeError:
        raise UnreadableFile(f"{path.name} is not {encoding}; set `encoding` in the mapping") from None
    except OSError as error:
        raise UnreadableFile(f"cannot read {path}: {error.strerror or error}") from None


def _header(cells: Sequence[str] | None, mapping: ColumnMapping) -> "_Header":
    if cells is None:
        raise UnreadableFile("the file is empty: not even a header line")
    names = [cell.strip() for cell in cells]
    if any("\ud800" <= character <= "\udfff" for character in "".join(names)):
        raise UnreadableFile("line 1: another encoding; set `encoding` in the mapping, for example gb18030")
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise UnreadableFile(f"line 1: these columns appear twice: {', '.join(twice)}")
    missing = [mapping.name(column) for column in _wanted(mapping) if mapping.name(column) not in names]
    if missing:
        raise UnreadableFile(f"line 1: missing column {', '.join(missing)}; the file has {', '.join(names)}")
    return _Header(len(names), {c: names.index(mapping.name(c)) for c in COLUMNS if mapping.name(c) in names})


def _wanted(mapping: ColumnMapping) -> Iterator[str]:
    """What the header must have: the required columns without a default, and whatever the mapping names."""
    yield from (c for c in COLUMNS if c in mapping.columns or (c in REQUIRED and c not in mapping.defaults))


def _row(line: int, header: "_Header", cells: Sequence[str], mapping: ColumnMapping) -> GoodRow | BadRow:
    if len(cells) != header.width:
        reason = f"has {len(cells)} fields, the header {header.width}: is a delimiter inside a field?"
        return BadRow((RowError(line, None, reason),))
    row = {column: cells[index] for column, index in header.places.items()}
    for column, default in mapping.defaults.items():
        row[column] = row.get(column, "").strip() or default
    return parse(line, row, mapping.date_format)


class _Header(NamedTuple):
    width: int
    places: Mapping[str, int]
