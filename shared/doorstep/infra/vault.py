"""Personal data under seal: one AES-256-GCM key per borrower, kept in a database of its own.

Destroying a borrower's key erases the person everywhere at once, and no proof breaks, because only
ciphertext was ever stored. Tokens (HMAC) stand where two records must be recognised as the same phone,
address or borrower without anyone reading them.
"""

import base64
import hashlib
import hmac
import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from doorstep.events.envelope import UNREADABLE
from doorstep.events.values import Borrower, Sealed
from doorstep.infra.clock import Clock

T = TypeVar("T")
R = TypeVar("R")
CACHE_FOR = timedelta(seconds=60)
"""How long an opened key stays in memory: the longest an erasure takes to reach every process."""
CACHE_SIZE = 20_000
Purpose = Literal["intake", "transit"]
"""What is sealed under a key of the day, because nobody can tell whose it is: messages of intake that are parked, or
that wait in the embedded bus."""


class Erased(Exception):
    """The key was destroyed: the person's data is gone, for good and on purpose."""


class Tampered(Exception):
    """The sealed bytes, or the key they name, are not those that were written."""


async def unless_erased(
    call: Callable[[Sequence[T]], Awaitable[Sequence[R]]], items: Sequence[T]
) -> Sequence[R | None]:
    """`call` for all `items`, None for those whose borrower was erased: the vault refuses a batch with one of them as
    a whole, so a batch that is refused is halved until that one stands alone."""
    try:
        return await call(items)
    except Erased:
        half = len(items) // 2
        return [*await unless_erased(call, items[:half]), *await unless_erased(call, items[half:])] if half else [None]


class Tokens:
    """Names without content: HMAC-SHA256 under a secret that no database holds."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._tenants: dict[str, bytes] = {}

    def case_id(self, tenant: str, borrower_id: str) -> str:
        """The borrower's case: the same borrower of the same tenant always gets the same id."""
        return self._token(tenant, "case", borrower_id)

    def phone(self, tenant: str, number: str) -> str:
        """For caps per number: a family's shared phone counts once."""
        return self._token(tenant, "phone", number)

    def address(self, tenant: str, address: str) -> str:
        """For caps per address."""
        return self._token(tenant, "address", address)

    def text(self, tenant: str, text: str) -> str:
        """Proves what was rendered to anyone who has the secret and the text."""
        return self._token(tenant, "text", text)

    def _token(self, tenant: str, kind: str, value: str) -> str:
        if tenant not in self._tenants:
            self._tenants[tenant] = hmac.digest(self._secret, f"tenant:{tenant}".encode(), "sha256")
        digest = hmac.digest(self._tenants[tenant], f"{kind}:{value}".encode(), "sha256")
        return base64.b32encode(digest[:15]).decode().lower()


class Vault:
    """Seals and opens. Keys are stored wrapped under `wrapping_key`, which the database does not hold."""

    def __init__(self, engine: AsyncEngine, wrapping_key: bytes, tokens: Tokens, clock: Clock) -> None:
        self._engine = engine
        self._wrap = AESGCM(hashlib.sha256(b"doorstep vault" + wrapping_key).digest())
        self.clock = clock
        self._cache: dict[str, tuple[bytes, datetime]] = {}
        self.tokens = tokens

    async def seal(self, items: Sequence[tuple[str, bytes]]) -> Sequence[Sealed]:
        """Seal each (key id, plaintext); a key that does not exist yet is made. Raises Erased for a key
        that was destroyed: whoever was erased does not come back by a later message."""
        keys = await self._keys({key_id for key_id, _ in items}, create=True)
        return [_seal(key_id, keys[key_id], plaintext) for key_id, plaintext in items]

    async def open(self, sealed: Sequence[Sealed]) -> Sequence[bytes]:
        """Raises Erased, Tampered."""
        keys = await self._keys({one.key_id for one in sealed}, create=False)
        return [_open(one, keys[one.key_id]) for one in sealed]

    async def seal_of_the_day(self, purpose: Purpose, plaintexts: Sequence[bytes]) -> Sequence[Sealed]:
        """Under a key that changes daily and that `expire` destroys, whatever borrower is inside."""
        key_id = f"{purpose}-{self.clock.now():%Y-%m-%d}"
        return await self.seal([(key_id, plain) for plain in plaintexts])

    async def uncover(self, values: Sequence[bytes]) -> Sequence[bytes | None]:
        """Values of a table that holds each as a Sealed in JSON, opened; None for what was erased. What an earlier
        release wrote in clear stays as it is. Raises Tampered."""
        boxes = {n: box for n, value in enumerate(values) if (box := _box(value)) is not None}
        opened = dict(zip(boxes, await self.open_each(list(boxes.values())), strict=True)) if boxes else {}
        return [opened.get(n) if n in boxes else value for n, value in enumerate(values)]

    async def open_each(self, sealed: Sequence[Sealed]) -> Sequence[bytes | None]:
        """None for what was erased. Raises Tampered."""
        return await unless_erased(self.open, sealed)

    async def borrowers(self, sealed: Sequence[Sealed]) -> Sequence[Borrower]:
        """The borrowers inside `personal` fields. Raises Erased, Tampered."""
        return [msgspec.json.decode(plain, type=Borrower) for plain in await self.open(sealed)]

    async def destroy(self, *key_ids: str) -> None:
        """Erase for ever. Harmless when repeated. Other processes follow within CACHE_FOR; `shred` makes it true of
        the database's files as well."""
        async with self._engine.begin() as connection:
            await connection.execute(_DESTROY, {"ids": sorted(set(key_ids)), "now": self.clock.now()})
        for key_id in key_ids:
            self._cache.pop(key_id, None)

    async def expire(self, purpose: Purpose, older_than: timedelta) -> None:
        """Destroy the keys of `purpose` of the days that had ended that long ago."""
        now = self.clock.now()
        async with self._engine.begin() as connection:
            first_kept = f"{purpose}-{now - older_than:%Y-%m-%d}"
            await connection.execute(_EXPIRE, {"from": f"{purpose}-", "to": first_kept, "now": now})

    async def destroyed_since(self, moment: datetime | None) -> datetime | None:
        """When a key was last destroyed, if that was after `moment`."""
        async with self._engine.connect() as connection:
            last: datetime | None = (await connection.execute(_DESTROYED)).scalar_one()
        return None if last is None or (moment is not None and last <= moment) else last

    async def shred(self) -> None:
        """Write the table of keys anew: in its old pages PostgreSQL would keep a destroyed one until it wants the room.
        Nobody opens or seals meanwhile, about a second for a million keys. Raises while others hold the table."""
        single = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        async with single.connect() as connection:
            await connection.execute(text("set lock_timeout = '5s'"))
            try:
                await connection.execute(text("vacuum full vault_key"))
            finally:
                await connection.execute(text("reset lock_timeout"))

    async def _keys(self, key_ids: set[str], *, create: bool) -> dict[str, bytes]:
        now = self.clock.now()
        held = {i: self._cache[i][0] for i in key_ids if i in self._cache and self._cache[i][1] > now}
        missing = sorted(key_ids - held.keys())
        if missing:
            held |= await self._fetch(missing, create=create)
            self._remember(held, missing, now + CACHE_FOR)
        return held

    def _remember(self, keys: dict[str, bytes], fetched: Iterable[str], until: datetime) -> None:
        if len(self._cache) > CACHE_SIZE:
            self._cache.clear()
        self._cache |= {key_id: (keys[key_id], until) for key_id in fetched}

    async def _fetch(self, key_ids: Sequence[str], *, create: bool) -> dict[str, bytes]:
        async with self._engine.begin() as connection:
            if create:
                await connection.execute(
                    text(
                        "insert into vault_key (key_id, wrapped, created_at)"
                        " select i, w, :now from unnest(cast(:ids as text[]), cast(:wrapped as bytea[])) as n(i, w)"
                        " on conflict (key_id) do nothing"
                    ),
                    {
                        "ids": list(key_ids),
                        "wrapped": [self._fresh(i) for i in key_ids],
                        "now": self.clock.now(),
                    },
                )
            rows = await connection.execute(
                text("select key_id, wrapped from vault_key where key_id = any(cast(:ids as text[]))"),
                {"ids": list(key_ids)},
            )
            wrapped = {row.key_id: row.wrapped for row in rows}
        for key_id in key_ids:
            if wrapped.get(key_id) is None:
                raise Erased(f"the key of {key_id} was destroyed, or never was: its data cannot be opened")
        return {key_id: self._unwrap(key_id, box) for key_id, box in wrapped.items()}

    def _fresh(self, key_id: str) -> bytes:
        nonce = os.urandom(12)
        return nonce + self._wrap.encrypt(nonce, os.urandom(32), key_id.encode())

    def _unwrap(self, key_id: str, box: bytes) -> bytes:
        try:
            return self._wrap.decrypt(box[:12], box[12:], key_id.encode())
        except InvalidTag:
            raise Tampered(f"the key of {key_id} does not unwrap: is DOORSTEP_VAULT_KEY the right one?") from None


def _box(value: bytes) -> Sealed | None:
    try:
        return msgspec.json.decode(value, type=Sealed)
    except UNREADABLE:
        return None


_DESTROY = text(
    "insert into vault_key (key_id, destroyed_at) select i, :now from unnest(cast(:ids as text[])) as n(i)"
    " on conflict (key_id) do update set wrapped = null, destroyed_at = :now where vault_key.wrapped is not null"
)
_EXPIRE = text(
    "update vault_key set wrapped = null, destroyed_at = :now where wrapped is not null"
    ' and key_id collate "C" >= :from and key_id collate "C" < :to'
)
_DESTROYED = text("select max(destroyed_at) from vault_key")


def _commitment(key: bytes) -> bytes:
    return hmac.digest(key, b"doorstep key commitment v1", "sha256")


def _seal(key_id: str, key: bytes, plaintext: bytes) -> Sealed:
    nonce = os.urandom(12)
    box = nonce + AESGCM(key).encrypt(nonce, plaintext, key_id.encode())
    return Sealed(key_id=key_id, commitment=_commitment(key), box=box)


def _open(sealed: Sealed, key: bytes) -> bytes:
    if not hmac.compare_digest(sealed.commitment, _commitment(key)):
        raise Tampered(f"sealed under another key than the one of {sealed.key_id}")
    try:
        return AESGCM(key).decrypt(sealed.box[:12], sealed.box[12:], sealed.key_id.encode())
    except InvalidTag:
        raise Tampered(f"the sealed bytes of {sealed.key_id} were changed") from None
