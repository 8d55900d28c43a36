"""Personal data under seal: one AES-256-GCM key per borrower, kept in a database of its own.

Destroying a borrower's key erases the person everywhere at once, and no proof breaks, because only
ciphertext was ever stored. Tokens (HMAC) stand where two records must be recognised as the same phone,
address or borrower without anyone reading them.
"""

import base64
import hashlib
import hmac
import os
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from doorstep.clock import Clock
from doorstep.events.common import Borrower, Sealed

CACHE_FOR = timedelta(seconds=60)
"""How long an opened key stays in memory: the longest an erasure takes to reach every process."""
CACHE_SIZE = 20_000


class Erased(Exception):
    """The key was destroyed: the person's data is gone, for good and on purpose."""


class Tampered(Exception):
    """The sealed bytes, or the key they name, are not those that were written."""


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
        self._clock = clock
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

    async def borrowers(self, sealed: Sequence[Sealed]) -> Sequence[Borrower]:
        """The borrowers inside `personal` fields. Raises Erased, Tampered."""
        return [msgspec.json.decode(plain, type=Borrower) for plain in await self.open(sealed)]

    async def destroy(self, key_id: str) -> None:
        """Erase for ever. Harmless when repeated. Other processes follow within CACHE_FOR."""
        async with self._engine.begin() as connection:
            await connection.execute(
                text(
                    "insert into vault_key (key_id, destroyed_at) values (:id, :now)"
                    " on conflict (key_id) do update set wrapped = null, destroyed_at = :now"
                ),
                {"id": key_id, "now": self._clock.now()},
            )
        self._cache.pop(key_id, None)

    async def _keys(self, key_ids: set[str], *, create: bool) -> dict[str, bytes]:
        now = self._clock.now()
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
                        "now": self._clock.now(),
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
