"""Finds personal data where there must be none."""

import base64
import json
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from doorstep_demo.portfolio import Person
from doorstep_demo.routes import Route
from doorstep_demo.run import Town
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

LONG_ENOUGH = 9
"""Bytes. Of a shorter text base64 keeps so few letters that ciphertext has them by chance."""


class Gossip(Town):
    """Remembers every free text that reaches Doorstep."""

    said: list[str]

    async def call(self, route: Route, body: dict[str, Any] | None = None, **names: str) -> Any:
        """As ever."""
        told = body or {}
        # A collector's reason is one of a closed set; what is written of a case is not.
        free = ("text", "notes", *(("reason",) if route.service == "escalation" else ()))
        self.said = [*getattr(self, "said", ()), *(told[name] for name in free if told.get(name))]
        return await super().call(route, body, **names)


def personal(person: Person) -> list[str]:
    """What must stand in clear nowhere: the person's name, contact points and place, and the bank's name for them."""
    home = person.home
    places = [f"{degrees:.5f}" for degrees in (home.latitude, home.longitude)]
    points = [point for point in (person.email, person.push_token) if point]
    return [person.name, person.phone, f"+86{person.phone}", *points, person.borrower_id, home.address, *places]


def leaking_files(folder: Path, plaintexts: Sequence[str]) -> list[tuple[str, str]]:
    """(file, plaintext) for each file in `folder`, however deep, that holds one."""
    return [(name, plain) for name, content in contents(folder) for plain in found_in(content, plaintexts)]


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file in `folder`, however deep, with what it holds. One that goes meanwhile, as PostgreSQL's own temporary
    ones do, is left out."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with suppress(FileNotFoundError):
                yield str(path.relative_to(folder)), path.read_bytes()


def found_in(blob: bytes, plaintexts: Iterable[str]) -> list[str]:
    """Which of `plaintexts` stand in `blob`: as they are, escaped as in JSON, in hex, or in base64."""
    return [plain for plain in plaintexts if any(_stands(form, blob) for form in _forms(plain))]


async def leaks(engine: AsyncEngine, plaintexts: Sequence[str]) -> list[tuple[str, str]]:
    """(table.column, plaintext) for each column of each table of a database that holds one."""
    return [(column, plain) async for column, blob in _columns(engine) for plain in found_in(blob, plaintexts)]


def _forms(plain: str) -> Iterator[bytes]:
    raw = plain.encode()
    yield raw
    yield json.dumps(plain)[1:-1].encode()
    yield raw.hex().encode()
    if len(raw) >= LONG_ENOUGH:
        # The same bytes look different at each of three offsets; what depends on the neighbours is cut off.
        for offset in range(3):
            coded = base64.b64encode(b"\0" * offset + raw)
            yield coded[4 if offset else 0 : (offset + len(raw)) // 3 * 4]


def _stands(form: bytes, blob: bytes) -> bool:
    if form not in blob:
        return False
    # C-100001 is a borrower; the loan CC-100001-1 only looks as if it were.
    return not re.fullmatch(rb"[A-Z]-\d+", form) or bool(re.search(rb"(?<![A-Za-z])" + form + rb"(?!\d)", blob))


async def _columns(engine: AsyncEngine) -> AsyncIterator[tuple[str, bytes]]:
    async with engine.connect() as connection:
        tables = (await connection.execute(_TABLES)).scalars().all()
        for table in tables:
            rows = (await connection.execute(text(f"select * from {table}"))).mappings().all()
            for column in rows[0] if rows else ():
                yield f"{table}.{column}", b"\n".join(_bytes(row[column]) for row in rows)


def _bytes(cell: object) -> bytes:
    if isinstance(cell, bytes | memoryview):
        return bytes(cell)
    return (cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False, default=str)).encode()


_TABLES = text(
    "select format('%I.%I', schemaname, tablename) from pg_tables"
    " where schemaname not in ('pg_catalog', 'information_schema') order by 1"
)
