"""The way to the provider of these runs, which is a process of its own."""

import os
import time
from typing import Self

import httpx
import msgspec
from doorstep.messaging.gateways import Message, Receipt, Unreachable
from doorstep.messaging.settings import MessagingSettings

URL, MODE = "DOORSTEP_FAULTS_PROVIDER", "DOORSTEP_FAULTS_MODE"
UNAVAILABLE, REFUSED, UNKNOWN = 503, 422, 404


class LedgerGateway:
    """`mode`: the provider dedupes on our key, can be asked by it, or does neither."""

    name = "ledger"

    def __init__(self, url: str, mode: str) -> None:
        self.dedupes = mode == "dedupes"
        self.can_find = mode == "asked"
        self._client = httpx.AsyncClient(base_url=url, timeout=None, limits=httpx.Limits(max_keepalive_connections=0))

    @classmethod
    def from_settings(cls, _: MessagingSettings) -> Self:
        """As the environment says."""
        return cls(os.environ[URL], os.environ[MODE])

    async def send(self, message: Message) -> Receipt:
        """Raises Unreachable when no connection came about, or the provider says that it took nothing."""
        said = {"x-called-at": str(time.time())}
        try:
            answer = await self._client.post("/messages", content=msgspec.json.encode(message), headers=said)
        except httpx.ConnectError as error:
            raise Unreachable("no connection") from error
        if answer.status_code == UNAVAILABLE:
            raise Unreachable("unavailable")
        if answer.status_code == REFUSED:
            return Receipt(status="refused", provider_message_id="", reason="refused")
        answer.raise_for_status()
        return Receipt(status="accepted", provider_message_id=answer.json()["id"])

    async def find(self, idempotency_key: str) -> Receipt | None:
        """Raises Unreachable when the provider does not answer."""
        try:
            answer = await self._client.get(f"/messages/{idempotency_key}")
        except httpx.ConnectError as error:
            raise Unreachable("no connection") from error
        if answer.status_code == UNAVAILABLE:
            raise Unreachable("unavailable")
        if answer.status_code == UNKNOWN:
            return None
        answer.raise_for_status()
        return Receipt(status="accepted", provider_message_id=answer.json()["id"])
