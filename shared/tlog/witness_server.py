"""A witness: keeps other people's checkpoints where they cannot reach them, and cosigns a log that only grows.

It needs a folder and nothing else. Meant to be run by somebody who is not the log's operator."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool

from tlog import cosigning
from tlog.cosigning import LONGEST, CosignatureRefusal, admit, decide, with_cosignatures
from tlog.files import Reached, unwatched
from tlog.verifier import ED25519, Checkpoint, Note, VerifierKey, Wrong
from tlog.witness_folder import History, Spoilt, WitnessFolder

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Notary:
    """The witness `name`, with its folder and its clock. Raises Wrong and Spoilt."""

    def __init__(
        self,
        name: str,
        folder: Path,
        logs: Iterable[VerifierKey],
        now: Callable[[], datetime],
        reached: Reached = unwatched,
    ) -> None:
        self._folder = WitnessFolder(folder, reached)
        self._cosigner = self._folder.cosigner(name)
        self._logs = _by_origin(logs)
        self._now, self._reached = now, reached
        self.verifier = self._cosigner.verifier

    def add(self, text: str) -> str | CosignatureRefusal:
        """The cosignature that a request asks for. Raises Spoilt and OSError: then nothing was cosigned."""
        request = admit(text, self._logs)
        if isinstance(request, CosignatureRefusal):
            return _refused(request)
        with self._folder.history(request.checkpoint.origin) as history:
            latest = history.latest()
            decided = decide(Checkpoint.parse(latest.body) if latest else None, request)
            if isinstance(decided, CosignatureRefusal):
                self._suspect(history, request, decided)
                return _refused(decided, request.checkpoint)
            line = self._cosigner.cosign(request.note.body, self._now())
            history.keep(Note.parse(with_cosignatures(str(request.note), [line])))
            self._reached("witness.before-answer")
            return line

    def latest(self, hashed_origin: str) -> str | None:
        """The checkpoint held of a log, with the cosignature. Raises Spoilt."""
        held = self._folder.latest(hashed_origin)
        return str(held) if held else None

    def _suspect(self, history: History, request: cosigning.CosignatureRequest, refused: CosignatureRefusal) -> None:
        """The log has signed what we refuse. Of one size there is one root, whoever sends it; a proof that fails may be
        its sender's fault, who need not be the log."""
        offered, seen = request.checkpoint, history.of_size(request.checkpoint.size)
        if seen is not None and Checkpoint.parse(seen.body).root != offered.root:
            path = self._folder.accuse("fork", seen, request.note)
            log.error(
                "FORK: a log has signed two histories; keep the file, and show it to those who rely on the log",
                origin=offered.origin,
                size=offered.size,
                file=path.name,
            )
        elif refused.status == 422 and (latest := history.latest()) is not None:
            path = self._folder.accuse("unproven", latest, request.note)
            log.error(
                "a log has signed a checkpoint that was not shown to continue ours; ask its operator for the proof",
                origin=offered.origin,
                size=offered.size,
                file=path.name,
            )


def app(notary: Notary) -> FastAPI:
    """HTTP as tlog-witness has it, and each checkpoint held under `/<SHA-256 of the origin, hex>/checkpoint`."""
    api = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @api.post("/add-checkpoint")
    async def add_checkpoint(request: Request) -> Response:
        text = await _text(request)
        if text is None:
            return _answer(_refused(CosignatureRefusal(400, f"want UTF-8 text of at most {LONGEST} bytes")))
        return _answer(await run_in_threadpool(notary.add, text))

    @api.get("/{hashed_origin}/checkpoint")
    async def checkpoint(hashed_origin: str) -> Response:
        held = await run_in_threadpool(notary.latest, hashed_origin) if _is_hash(hashed_origin) else None
        return _plain(404, "this witness holds nothing of that log\n") if held is None else _plain(200, held)

    @api.exception_handler(Spoilt)
    async def spoilt(_: Request, error: Exception) -> Response:
        log.error("this witness cosigns nothing more", why=str(error))
        return _plain(500, "this witness is broken; its operator finds the reason in its log\n")

    return api


def _by_origin(logs: Iterable[VerifierKey]) -> Mapping[str, VerifierKey]:
    found: dict[str, VerifierKey] = {}
    for key in logs:
        if key.algorithm != ED25519:
            raise Wrong(f"{key} is the key of a witness; want that of a log")
        if found.setdefault(key.name, key) != key:
            raise Wrong(f"two keys for the log {key.name}: want one")
    if not found:
        raise Wrong("want the key of a log at least")
    return found


def _refused(refused: CosignatureRefusal, offered: Checkpoint | None = None) -> CosignatureRefusal:
    what = {"origin": offered.origin, "size": offered.size} if offered else {}
    log.warning("refused to cosign", status=refused.status, why=refused.why, **what)
    return refused


def _answer(answer: str | CosignatureRefusal) -> Response:
    match answer:
        case CosignatureRefusal(size=int(size)):
            # Written out, because the framework would add a charset to it.
            return Response(f"{size}\n", answer.status, headers={"content-type": "text/x.tlog.size"})
        case CosignatureRefusal():
            return _plain(answer.status, f"{answer.why}\n")
        case str():
            return _plain(200, answer)


def _plain(status: int, text: str) -> Response:
    return Response(text, status, media_type="text/plain")


async def _text(request: Request) -> str | None:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LONGEST:
            return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _is_hash(name: str) -> bool:
    return len(name) == 64 and set(name) <= set("0123456789abcdef")
