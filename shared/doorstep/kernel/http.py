"""The HTTP side of one or several running services."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version

import jwt
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy.exc import DBAPIError

from doorstep.infra.access import COOKIE, Access, Login, OperatorOfAll, Viewer
from doorstep.infra.database import unreachable
from doorstep.infra.settings import WrongSettings
from doorstep.infra.telemetry import exposition, log, where
from doorstep.infra.vault import Erased
from doorstep.kernel import gate, parking
from doorstep.kernel.decider import Refused, Unknown, reason_given
from doorstep.kernel.handle import StillUnreadable
from doorstep.kernel.runtime import Running
from doorstep.kernel.store import Conflict


@dataclass(frozen=True)
class Landing:
    """Where a link with `?code=` leads, after `login` has turned the code into a cookie."""

    path: str
    login: Login


def build(services: Sequence[Running], access: Access, *, home: Landing | None = None, drive: bool = True) -> FastAPI:
    """The app. Several services are mounted under their names, a single one at the root. With `drive` the
    app's lifespan runs the services' loops; the simulation drives them itself."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        stop = asyncio.Event()
        tasks = [asyncio.create_task(one.run(stop)) for one in services] if drive else []
        for task in tasks:
            task.add_done_callback(_end_if_broken)
        yield
        stop.set()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 15)
        for one in services if drive else ():
            await asyncio.wait_for(one.close(), 15)

    # The documentation routes come with the framework's own, open ones; ours need a token like the rest.
    app = FastAPI(
        title="Doorstep",
        version=version("doorstep"),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.state.access = access
    gate.protect(app, access)
    _add_probes(app, services)
    for one in services:
        prefix = f"/{one.service.name}" if len(services) > 1 else ""
        if one.service.api is not None:
            app.include_router(one.service.api(one), prefix=prefix)
        app.include_router(_operations(one), prefix=prefix)
        app.include_router(_losses(one), prefix=prefix)
    if home is not None:
        _add_home(app, home)
    _add_errors(app)
    return app


def _end_if_broken(task: asyncio.Task[None]) -> None:
    # A fault that no retry mends, a migration for example. Half a service is worse than none.
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical(
            "a service cannot run; ending the process",
            error=str(error) if isinstance(error, WrongSettings) else where(error),
        )
        os._exit(70)


def _add_probes(app: FastAPI, services: Sequence[Running]) -> None:
    @app.get("/live")
    async def live() -> dict[str, str]:
        return {"status": "live"}

    @app.get("/ready")
    async def ready() -> Response:
        faults = {one.service.name: one.faults() for one in services if one.faults()}
        return JSONResponse({"status": "not ready" if faults else "ready", **faults}, 503 if faults else 200)

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(exposition(one.telemetry for one in services), media_type=CONTENT_TYPE_LATEST)

    @app.get("/openapi.json")
    async def openapi(_: Viewer) -> JSONResponse:
        return JSONResponse(app.openapi())


def _add_home(app: FastAPI, home: Landing) -> None:
    @app.get("/")
    async def enter(request: Request, code: str | None = None) -> Response:
        response = RedirectResponse(home.path, 303)
        if code is not None:
            token = home.login.exchange(code)
            # On this machine alone there is no TLS, and not every browser would keep a secure cookie then.
            secure = request.url.hostname not in ("127.0.0.1", "localhost", "::1")
            response.set_cookie(COOKIE, token, httponly=True, secure=secure, samesite="strict")
        return response


def _operations(running: Running) -> APIRouter:
    """What an operator needs of every service: the parked messages. One that nobody could read names no tenant, so they
    are for whoever serves all."""
    router = APIRouter(prefix="/parked", tags=["operations"])

    @router.get("")
    async def listed(_: OperatorOfAll) -> list[dict[str, object]]:
        async with running.engine.connect() as connection:
            return [_shown(one) for one in await parking.listing(connection)]

    @router.post("/{key:path}/replay")
    async def replay(key: str, principal: OperatorOfAll) -> dict[str, object]:
        return await replay_key(running, key, principal.id)

    @router.post("/{parked_id}/discard")
    async def discard(parked_id: int, reason: str, principal: OperatorOfAll) -> dict[str, object]:
        await discard_one(running, parked_id, principal.id, reason)
        return {"discarded": parked_id}

    return router


def _field(path: Sequence[str | int]) -> list[str | int]:
    return [part if isinstance(part, int) else part[:100].encode(errors="replace").decode() for part in path]


def _losses(running: Running) -> APIRouter:
    """What an operator needs when messages were deleted unread: whose they were is not known, so it is for whoever
    serves all."""
    router = APIRouter(prefix="/lost-messages", tags=["operations"])

    @router.post("/accept")
    async def accept(reason: str, principal: OperatorOfAll) -> dict[str, object]:
        return {"accepted": len(await running.accept_loss(principal.id, reason))}

    return router


async def replay_key(running: Running, key: str, by: str, reason: str | None = None) -> dict[str, object]:
    """Handle what waits under `key`, in order, up to the first message that is still wrong."""
    done = 0
    while waiting := await _waiting(running, key):
        for one in waiting:
            try:
                await running.handler.replay(one, by, reason)
            except Exception as error:
                if unreachable(error):
                    raise
                why = str(error) if isinstance(error, StillUnreadable | Refused | Erased) else where(error)
                left = len(waiting) - waiting.index(one)
                return {"replayed": done, "waiting": left, "stopped_at": one.id, "reason": why}
            done += 1
    return {"replayed": done, "waiting": 0}


async def _waiting(running: Running, key: str) -> list[parking.Parked]:
    async with running.engine.connect() as connection:
        return await parking.listing(connection, key=key)


async def discard_one(running: Running, parked_id: int, by: str, reason: str) -> None:
    """Raises Refused without a reason, Unknown when nothing of that id waits."""
    why = reason_given(reason)
    async with running.engine.connect() as connection:
        found = await parking.listing(connection, parked_id=parked_id)
    if not found or found[0].status != "waiting":
        raise Unknown(f"nothing waits under id {parked_id}; `doorstep parked list` shows what does")
    await running.handler.discard(found[0], by, why)


def _shown(one: parking.Parked) -> dict[str, object]:
    return {
        "id": one.id,
        "topic": one.topic,
        "partition": one.partition,
        "offset": one.offset,
        "key": one.key,
        "case_id": one.case_id,
        "reason": one.reason,
        "behind": one.behind,
        "parked_at": one.parked_at.isoformat(),
    }


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(RequestValidationError)
    async def malformed(_: Request, error: RequestValidationError) -> JSONResponse:
        # Without what was sent: it may be a name, and what is no JSON (NaN, half a character) could not be answered.
        faults = [{"type": one["type"], "loc": _field(one["loc"]), "msg": one["msg"]} for one in error.errors()]
        return JSONResponse({"detail": faults}, 422)

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 409)

    @app.exception_handler(Unknown)
    async def unknown(_: Request, error: Unknown) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 404)

    @app.exception_handler(Erased)
    async def erased(_: Request, __: Erased) -> JSONResponse:
        why = "this borrower's data was erased; send it without its text, which we may not keep"
        return JSONResponse({"detail": why}, 410)

    @app.exception_handler(jwt.InvalidTokenError)
    async def stale(_: Request, error: jwt.InvalidTokenError) -> JSONResponse:
        return JSONResponse({"detail": f"this link lets nobody in ({error}); `doorstep link` makes another"}, 401)

    @app.exception_handler(Exception)
    async def broken(_: Request, __: Exception) -> JSONResponse:
        # It is logged by the server; the headers are added further in, which this answer does not pass.
        return JSONResponse({"detail": "something here is broken: tell whoever runs this"}, 500, gate.HEADERS)

    @app.exception_handler(Conflict)
    @app.exception_handler(ConnectionError)
    @app.exception_handler(DBAPIError)
    async def away(_: Request, error: Exception) -> JSONResponse:
        if isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", "")[:2] == "22":
            return JSONResponse({"detail": "no id or text can be like that; look at what was asked for"}, 422)
        why = "the database does not answer" if isinstance(error, DBAPIError) else str(error)
        return JSONResponse({"detail": f"{why}; try again"}, 503, {"Retry-After": "2"})
