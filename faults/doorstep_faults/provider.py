"""A provider that forgives nothing: a process of its own, with a ledger of its own, in one of three modes.

It does as it is told by `POST /plans`, one plan for each of the next calls, and else accepts and answers at once."""

import asyncio
import time
from pathlib import Path
from typing import Literal

import msgspec
import uvicorn
from fastapi import FastAPI, Request, Response

Plan = Literal["slow", "unavailable", "refuses", "lost", "hangs", "late"]
"""Accepts and answers after half a second; takes nothing and says so; refuses for good; accepts, and its answer is an
error; accepts and never answers; accepts only after the caller has given up, and never answers."""
PLANS: tuple[Plan, ...] = ("slow", "unavailable", "refuses", "lost", "hangs", "late")
LATE = 2.4
"""Seconds: over the call time-out of these runs, within their margin."""
FOR_EVER = 20.0


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One call. `taken`: from here on this message is on its way to the borrower, once more. Instants are seconds of
    the machine's clock: when it was called, and when it was taken or refused."""

    key: str
    case_id: str
    channel: str
    called_at: float
    at: float
    plan: str
    taken: bool


class _Sent(msgspec.Struct):
    idempotency_key: str
    case_id: str
    channel: str


def application(ledger: Path, mode: str) -> FastAPI:
    """The provider's API; each line is in the ledger before it is answered."""
    app = FastAPI()
    plans: list[str] = []
    finding: list[str] = []
    taken: set[str] = set()

    def note(sent: _Sent, called_at: float, plan: str, *, fresh: bool) -> None:
        line = Line(
            key=sent.idempotency_key,
            case_id=sent.case_id,
            channel=sent.channel,
            called_at=called_at,
            at=time.time(),
            plan=plan,
            taken=fresh,
        )
        with ledger.open("ab") as file:
            file.write(msgspec.json.encode(line) + b"\n")

    @app.post("/plans")
    async def plan(request: Request) -> None:
        wanted = msgspec.json.decode(await request.body(), type=dict[str, list[str]])
        plans.extend(wanted.get("send", []))
        finding.extend(wanted.get("find", []))

    @app.post("/messages")
    async def send(request: Request) -> Response:
        called_at = float(request.headers["x-called-at"])
        sent = msgspec.json.decode(await request.body(), type=_Sent)
        doing = plans.pop(0) if plans else "ok"
        if doing in ("unavailable", "refuses"):
            note(sent, called_at, doing, fresh=False)
            return Response(status_code=503 if doing == "unavailable" else 422)
        if doing == "late":
            await asyncio.sleep(LATE)
        fresh = not (mode == "dedupes" and sent.idempotency_key in taken)
        taken.add(sent.idempotency_key)
        note(sent, called_at, doing, fresh=fresh)
        if doing in ("hangs", "late"):
            await asyncio.sleep(FOR_EVER)
        if doing == "slow":
            await asyncio.sleep(0.5)
        return Response(status_code=502) if doing == "lost" else _known(sent.idempotency_key)

    @app.get("/messages/{key}")
    async def find(key: str) -> Response:
        doing = finding.pop(0) if finding else "ok"
        if doing != "ok":
            return Response(status_code=503 if doing == "unavailable" else 502)
        return _known(key) if key in taken else Response(status_code=404)

    return app


def _known(key: str) -> Response:
    return Response(msgspec.json.encode({"id": f"m-{key}"}), media_type="application/json")


def serve(port: int, ledger: str, mode: str) -> None:
    """Until the process is ended."""
    uvicorn.run(application(Path(ledger), mode), host="127.0.0.1", port=port, log_level="critical")


def read(ledger: Path) -> list[Line]:
    """The ledger, in its order."""
    return (
        [msgspec.json.decode(line, type=Line) for line in ledger.read_bytes().splitlines()] if ledger.exists() else []
    )
