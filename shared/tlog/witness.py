"""Asks witnesses for cosignatures under a fresh checkpoint (C2SP tlog-witness). The log never waits long for one, and
never stops for one."""

import asyncio
import re
from collections.abc import Callable, Sequence

import httpx
import structlog

from tlog.cosigning import LONGEST, CosignatureRequest, signature_line, with_cosignatures
from tlog.merkle import Tiles, consistency_proof
from tlog.verifier import COSIGNATURE, Note, VerifierKey, Wrong

log: structlog.stdlib.BoundLogger = structlog.get_logger()
_SECONDS = 5.0
_FORKED = "THIS LOG IS FORKED. Stop it, and ask whoever runs the witness for both checkpoints"
_TRIES = 2
"""The second one with the size that the witness told."""


class Witness:
    """Somebody at `url` who keeps our checkpoints and cosigns as `key`. `seconds`: for how long we wait in all."""

    def __init__(
        self,
        url: str,
        key: VerifierKey,
        *,
        seconds: float = _SECONDS,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.key = key
        self._url = f"{url.rstrip('/')}/add-checkpoint"
        self._seconds = seconds
        self._held = 0
        self._client = httpx.AsyncClient(transport=transport, timeout=seconds)

    @classmethod
    def parse(cls, told: str) -> "Witness":
        """From `url vkey`, of a witness. Raises Wrong."""
        url, _, key = told.partition(" ")
        witness = VerifierKey.parse(key)
        if witness.algorithm != COSIGNATURE:
            raise Wrong(f"{witness.name} is the key of a log; want the one the witness prints")
        return cls(url, witness)

    async def cosign(self, note: str, tiles: Tiles) -> str | None:
        """A signature line under the checkpoint in `note`, verified; None when there is none to be had, and a log line
        says why. `tiles` hold at least what the checkpoint covers. Raises nothing."""
        try:
            async with asyncio.timeout(self._seconds):
                return await self._ask(note, tiles)
        except TimeoutError:
            why = f"no answer within {self._seconds:g} s"
        except Wrong as error:
            why = str(error)
        except Exception as error:
            why = type(error).__name__
        log.warning("a witness did not cosign; the log goes on without it", witness=self.key.name, why=why)
        return None

    async def close(self) -> None:
        """Let go of the connection."""
        await self._client.aclose()

    async def _ask(self, note: str, tiles: Tiles) -> str:
        size = CosignatureRequest.of(0, (), note).checkpoint.size
        for _ in range(_TRIES):
            old = min(self._held, size)
            status, text = await self._post(CosignatureRequest.of(old, consistency_proof(tiles, old, size), note))
            if status == httpx.codes.OK:
                line = self._verified(note, text)
                self._held = size
                return line
            if status == httpx.codes.UNPROCESSABLE_ENTITY:
                raise Wrong(f"the log of {size} entries does not continue the {old} it holds: {_FORKED}")
            if status != httpx.codes.CONFLICT:
                raise Wrong(f"it refuses with {status}")
            self._held = _held(text, old, size)
        raise Wrong("it holds another size each time it is asked: does another process use it for this log?")

    async def _post(self, request: CosignatureRequest) -> tuple[int, str]:
        async with self._client.stream("POST", self._url, content=str(request).encode()) as answer:
            body = b""
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > LONGEST:
                    raise Wrong("its answer has no end")
        try:
            return answer.status_code, body.decode()
        except UnicodeDecodeError:
            raise Wrong("its answer is no text") from None

    def _verified(self, note: str, lines: str) -> str:
        """The witness's own line among `lines`. Raises Wrong."""
        body = Note.parse(note).body
        answered = Note.parse(with_cosignatures(f"{body}\n", [lines]))
        if answered.body != body or not answered.by([self.key]):
            raise Wrong("it answers without a signature by its key")
        own = (one for one in answered.signatures if one[:2] == (self.key.name, self.key.id))
        return signature_line(*next(own))


async def cosign_all(witnesses: Sequence[Witness], note: str, tiles: Tiles, missing: Callable[[float], object]) -> str:
    """`note` with the cosignatures that were to be had within seconds. `missing` is told how many were not."""
    answers = await asyncio.gather(*(one.cosign(note, tiles) for one in witnesses))
    lines = [line for line in answers if line is not None]
    missing(len(witnesses) - len(lines))
    return with_cosignatures(note, lines)


def _held(text: str, old: int, size: int) -> int:
    """The size in a witness's 409, if the log can go on from it. Raises Wrong."""
    told = re.fullmatch(r"(0|[1-9]\d{0,18})\n", text, re.ASCII)
    if not told:
        raise Wrong("it refuses with 409 and names no size")
    held = int(told[1])
    if held == old == size:
        raise Wrong(f"it holds another log of {size} entries: {_FORKED}")
    if held > size:
        raise Wrong(f"it holds {held} entries of this log, which has {size}: WAS THIS LOG SET BACK, by a backup?")
    return held
