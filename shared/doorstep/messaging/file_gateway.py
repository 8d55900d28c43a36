"""A gateway that writes files: every provider on a developer's machine."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import msgspec
from tlog.files import write_whole

from doorstep.messaging.gateways import Message, Receipt, Unreachable
from doorstep.messaging.settings import MessagingSettings


class FileGateway:
    """Writes each message to `folder`/<idempotency key>.json; the file's existence dedupes. Without `durable` a power
    failure may lose what was accepted."""

    name = "file"
    dedupes = True
    can_find = True

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self.folder = folder
        self._durable = durable
        folder.mkdir(parents=True, exist_ok=True)
        # What is told to borrowers, in clear: for nobody else on this machine.
        folder.chmod(0o700)

    @classmethod
    def from_settings(cls, settings: MessagingSettings) -> Self:
        """The one that is called `file` in the settings."""
        return cls(settings.gateway_folder)

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
        path = self._path(message.idempotency_key)
        try:
            write_whole(path, msgspec.json.encode(message), durable=self._durable)
        except OSError as error:
            raise Unreachable(f"cannot write to {self.folder}: {error.strerror}") from error

    def _path(self, idempotency_key: str) -> Path:
        return self.folder / f"{idempotency_key}.json"

    def _receipt(self, idempotency_key: str) -> Receipt:
        return Receipt(status="accepted", provider_message_id=f"file-{idempotency_key}")
