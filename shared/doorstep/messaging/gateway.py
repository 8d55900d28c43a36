"""The way out to a borrower's phone: one interface, and a gateway that writes files."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from doorstep.events.values import Channel


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One rendered message. `idempotency_key` names the intent, so that a repeated call can be recognised."""

    idempotency_key: str
    channel: Channel
    to: str
    text: str
    language: str
    case_id: str


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What the provider answered at once. `refused` is final; a passing fault raises Unreachable instead."""

    status: Literal["accepted", "refused"]
    provider_message_id: str
    reason: str | None = None


class Unreachable(Exception):
    """The provider certainly did not take the message; try again later."""


class Gateway(Protocol):
    """How to treat a call whose answer was lost: a gateway that `dedupes` on our key is simply called
    again; one that does not is asked by `find`; None from `find` on a gateway that cannot be asked
    (`can_find` false) means nobody knows, and the message is never sent again."""

    name: str
    dedupes: bool
    can_find: bool

    async def send(self, message: Message) -> Receipt:
        """Raises Unreachable when the message certainly did not go out."""
        ...

    async def find(self, idempotency_key: str) -> Receipt | None:
        """The receipt of an earlier call, where the provider can be asked by our key."""
        ...


class FileGateway:
    """Writes each message to `folder`/<idempotency key>.json; the file's existence dedupes.

    It stands for an SMS provider on a developer's machine: the folder is the borrowers' phones."""

    name = "file"
    dedupes = True
    can_find = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    async def send(self, message: Message) -> Receipt:
        """Raises Unreachable when the folder cannot be written."""
        await asyncio.to_thread(self._write, message)
        return self._receipt(message.idempotency_key)

    async def find(self, idempotency_key: str) -> Receipt | None:
        """The receipt, if the file is there."""
        return self._receipt(idempotency_key) if self._path(idempotency_key).exists() else None

    def delivered(self) -> Sequence[Message]:
        """Every message so far, in the order of their keys."""
        return [msgspec.json.decode(p.read_bytes(), type=Message) for p in sorted(self.folder.glob("*.json"))]

    def _write(self, message: Message) -> None:
        fresh = self.folder / f".{message.idempotency_key}.{os.getpid()}"
        try:
            fresh.write_bytes(msgspec.json.encode(message))
            fresh.replace(self._path(message.idempotency_key))
        except OSError as error:
            raise Unreachable(f"cannot write to {self.folder}: {error.strerror}") from error

    def _path(self, idempotency_key: str) -> Path:
        return self.folder / f"{idempotency_key}.json"

    def _receipt(self, idempotency_key: str) -> Receipt:
        return Receipt(status="accepted", provider_message_id=f"file-{idempotency_key}")
