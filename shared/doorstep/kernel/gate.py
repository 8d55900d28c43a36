"""What every request passes before a route sees it: who asks, from where, and how much is sent.

Pure ASGI, so that a request is refused before its body is read: a body of 120 MB, parsed for somebody without a token,
would hold up every loop of the process for half a minute."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from math import ceil
from typing import Any

import jwt
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse

from doorstep.infra.access import Access, token_of

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY = 1024 * 1024
"""Bytes of a request's body at most. The largest that any route takes is an attachment of 256 KB in base64."""
BAD_TOKENS = 20
"""So many tokens that are none a client may bring in WINDOW seconds."""
WINDOW = 60.0
CLIENTS = 10_000
"""So many clients with bad tokens are remembered, the latest."""
SAFE = ("GET", "HEAD", "OPTIONS")
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Of every answer, unless its route says otherwise."""
_ENCODED = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]


def protect(app: FastAPI, access: Access) -> None:
    """Put the gate before every route of `app`, those that do not exist included."""
    app.add_exception_handler(TooLarge, _too_large)
    app.add_middleware(BodyLimit)
    app.add_middleware(Gate, access=access)
    app.add_middleware(AnswerHeaders)


def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """A refusal in the form of RFC 9457."""
    content = {"title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return JSONResponse(content, status, headers, media_type="application/problem+json")


class AnswerHeaders:
    """HEADERS for every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                told = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(one for one in _ENCODED if one[0] not in told)]
            await send(message)

        await self._app(scope, receive, with_headers)


class Gate:
    """Whoever wants to change something is known before its body is read. A browser, which brings its cookie by
    itself, must come from a page of ours. A client that brought too many bad tokens hears 429 for each further one;
    good ones of the same client pass, for many may share an address."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access
        self._bad = BadTokens()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        refusal = await self._refusal(Request(scope)) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)

    async def _refusal(self, request: Request) -> JSONResponse | None:
        changes = request.method not in SAFE
        token, by_cookie = await token_of(request)
        if token is None:
            return _unknown("bring a bearer token") if changes else None
        try:
            self._access.principal(token)
        except jwt.InvalidTokenError as error:
            return self._bad_token(request, f"bring a valid bearer token: {error}" if changes else None)
        if changes and by_cookie and not _from_here(request):
            return problem(403, "this came from another site: send it from the page itself, or with a bearer token")
        return None

    def _bad_token(self, request: Request, why: str | None) -> JSONResponse | None:
        client = request.client.host if request.client else ""
        if wait := self._bad.wait(client):
            after = {"Retry-After": str(ceil(wait))}
            return problem(429, f"too many bad tokens: bring a valid one, or wait {ceil(wait)} s", after)
        self._bad.note(client)
        return _unknown(why) if why else None


class BadTokens:
    """How many bad tokens each client brought in its present window. `monotonic`: seconds that only grow."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._seen: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait(self, client: str) -> float:
        """Seconds until it may bring another; 0: now."""
        count, ends = self._seen.get(client, (0, 0.0))
        return max(ends - self._monotonic(), 0.0) if count >= BAD_TOKENS else 0.0

    def note(self, client: str) -> None:
        """It brought one."""
        now = self._monotonic()
        count, ends = self._seen.pop(client, (0, 0.0))
        self._seen[client] = (count + 1, ends) if now < ends else (1, now + WINDOW)
        if len(self._seen) > CLIENTS:
            self._seen.popitem(last=False)


class TooLarge(HTTPException):
    """More than BODY bytes were sent."""

    def __init__(self) -> None:
        super().__init__(413, f"send {BODY} bytes at most", {"Connection": "close"})


class BodyLimit:
    """Refuses a body by the length it announces, and one that announces none as soon as it is too long."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        too_long = scope["type"] == "http" and _announced(Request(scope)) > BODY
        taken = 0

        async def limited() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > BODY:
                raise TooLarge
            return message

        await (_refused_as(TooLarge()) if too_long else self._app)(scope, limited, send)


def _announced(request: Request) -> int:
    told = request.headers.get("content-length", "")
    return int(told[:19]) if told.isdecimal() else 0


def _unknown(why: str) -> JSONResponse:
    return problem(401, why, {"WWW-Authenticate": "Bearer"})


def _refused_as(error: TooLarge) -> JSONResponse:
    return problem(error.status_code, error.detail, dict(error.headers or {}))


async def _too_large(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, TooLarge)
    return _refused_as(error)


def _from_here(request: Request) -> bool:
    """Browsers say where a request comes from: by Sec-Fetch-Site, older ones by Origin alone."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    return request.headers.get("origin") == f"{request.url.scheme}://{request.url.netloc}"
