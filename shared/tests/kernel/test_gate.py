"""What every request passes before a route sees it: a hostile client costs little, and reads nothing."""

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from doorstep.infra.access import COOKIE, Access, Issuer, Operator
from doorstep.kernel import gate, http
from doorstep.kernel.gate import BAD_TOKENS, BODY, CLIENTS, WINDOW, BadTokens
from fastapi import FastAPI, Request

ISSUER = Issuer.generate()
TOKEN = ISSUER.token("olga", "operator", datetime.now(UTC))
BEARER = {"authorization": f"Bearer {TOKEN}"}
FORGED = {"authorization": "Bearer x.y.z"}


@pytest.fixture
def house() -> FastAPI:
    """Two doors behind the gate: one takes JSON, one reads the body by itself."""
    app = http.build([], Access(ISSUER.public_key), drive=False)

    @app.post("/json")
    async def take(body: dict[str, str], _: Operator) -> int:
        return len(body)

    @app.post("/form")
    async def read(request: Request, _: Operator) -> int:
        return len(await request.body())

    @app.get("/broken")
    async def broken(_: Operator) -> None:
        raise RuntimeError("13800000000")

    return app


@pytest.fixture
async def client(house: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody outside."""
    transport = httpx.ASGITransport(house, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as opened:
        yield opened


async def in_pieces(size: int) -> AsyncIterator[bytes]:
    """A body that does not say how long it is."""
    for _ in range(size // 65536 + 1):
        yield b" " * 65536


async def asked(app: FastAPI, path: str, headers: dict[str, str]) -> tuple[int, int]:
    """POSTs and says how the answer began: its status, and how many pieces of the body were read for it."""
    read, told = 0, 0

    async def receive() -> dict[str, Any]:
        nonlocal read
        read += 1
        return {"type": "http.request", "body": b" " * 65536, "more_body": True}

    async def send(message: Any) -> None:
        nonlocal told
        told = told or message.get("status", 0)

    sent = [(name.encode(), value.encode()) for name, value in headers.items()]
    where = {"path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "scheme": "http"}
    who = {"client": ("192.0.2.1", 1), "server": ("test", 80)}
    await app({"type": "http", "method": "POST", "http_version": "1.1", "headers": sent, **where, **who}, receive, send)
    return told, read


class TestBodies:
    """What is sent is bounded, and read for those alone whom we know."""

    @pytest.mark.parametrize("path", ["/json", "/form", "/nowhere"])
    @pytest.mark.parametrize("headers", [{}, FORGED, {"cookie": f"{COOKIE}=x.y.z"}])
    async def test_not_a_byte_is_read_for_somebody_without_a_token(
        self, house: FastAPI, path: str, headers: dict[str, str]
    ) -> None:
        assert await asked(house, path, {"content-length": "120000000", **headers}) == (401, 0)

    async def test_a_body_that_says_it_is_too_long_is_not_read(self, house: FastAPI) -> None:
        assert await asked(house, "/json", {"content-length": str(BODY + 1), **BEARER}) == (413, 0)
        assert await asked(house, "/json", {"content-length": "9" * 5000, **BEARER}) == (413, 0)

    @pytest.mark.parametrize("path", ["/json", "/form"])
    async def test_a_body_without_end_is_read_up_to_the_limit(self, house: FastAPI, path: str) -> None:
        headers = {"content-type": "application/json", "transfer-encoding": "chunked"}
        assert await asked(house, path, headers | BEARER) == (413, BODY // 65536 + 1)

    @pytest.mark.parametrize("path", ["/json", "/form"])
    async def test_the_refusal_says_how_much_may_be_sent(self, client: httpx.AsyncClient, path: str) -> None:
        headers = {"content-type": "application/json"} | BEARER
        for content in (b" " * (BODY + 1), in_pieces(BODY)):
            answer = await client.post(path, content=content, headers=headers)
            assert answer.status_code == 413
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["detail"] == f"send {BODY} bytes at most"

    async def test_what_fits_arrives_whole(self, client: httpx.AsyncClient) -> None:
        body = json.dumps({"text": "a" * (BODY - 100)})
        assert (await client.post("/form", content=body, headers=BEARER)).json() == len(body)
        assert (await client.post("/json", json={"a": "b"}, headers=BEARER)).json() == 1


class TestBadTokens:
    """Whoever brings one after the other is told to wait; others are not."""

    async def test_after_twenty_a_client_is_told_to_wait(self, client: httpx.AsyncClient) -> None:
        first = [(await client.get("/openapi.json", headers=FORGED)).status_code for _ in range(BAD_TOKENS)]
        assert set(first) == {401}
        for answer in (await client.get("/openapi.json", headers=FORGED), await client.post("/json", headers=FORGED)):
            assert answer.status_code == 429
            assert 0 < int(answer.headers["retry-after"]) <= WINDOW
            assert answer.headers["content-type"] == "application/problem+json"

    async def test_a_good_token_from_the_same_address_still_passes(self, client: httpx.AsyncClient) -> None:
        for _ in range(BAD_TOKENS + 1):
            await client.get("/openapi.json", headers=FORGED)
        assert (await client.post("/json", json={}, headers=BEARER)).status_code == 200

    async def test_no_token_at_all_is_no_bad_one(self, client: httpx.AsyncClient) -> None:
        told = {(await client.get("/openapi.json")).status_code for _ in range(BAD_TOKENS + 5)}
        assert told == {401}

    def test_each_client_has_its_own_window_which_ends(self) -> None:
        seconds = [0.0]
        seen = BadTokens(lambda: seconds[0])
        for _ in range(BAD_TOKENS):
            assert not seen.wait("a")
            seen.note("a")
        assert (seen.wait("a"), seen.wait("b")) == (WINDOW, 0)
        seconds[0] = WINDOW
        assert not seen.wait("a")
        seen.note("a")
        assert not seen.wait("a")

    def test_a_flood_of_addresses_takes_no_memory_for_ever(self) -> None:
        seen = BadTokens()
        for number in range(CLIENTS + 500):
            seen.note(str(number))
        assert len(seen._seen) == CLIENTS


class TestBrowsers:
    """They bring the cookie by themselves, so what changes something has to come from a page of ours."""

    @pytest.fixture(autouse=True)
    def _logged_in(self, client: httpx.AsyncClient) -> None:
        client.cookies.set(COOKIE, TOKEN)

    @pytest.mark.parametrize(
        "headers", [{"sec-fetch-site": "same-origin"}, {"origin": "http://test"}], ids=["new", "old"]
    )
    async def test_a_form_of_ours_is_taken(self, client: httpx.AsyncClient, headers: dict[str, str]) -> None:
        assert (await client.post("/form", data={"reason": "mine"}, headers=headers)).status_code == 200

    @pytest.mark.parametrize(
        "headers",
        [
            {"sec-fetch-site": "cross-site", "origin": "http://test"},
            {"sec-fetch-site": "same-site"},
            {"origin": "http://evil.example"},
            {"origin": "https://test"},
            {"origin": "null"},
            {},
        ],
    )
    async def test_a_form_of_another_site_is_not(self, client: httpx.AsyncClient, headers: dict[str, str]) -> None:
        answer = await client.post("/form", data={"reason": "theirs"}, headers=headers)
        assert (answer.status_code, "another site" in answer.json()["detail"]) == (403, True)

    async def test_a_program_with_a_token_of_its_own_may_come_from_anywhere(self, client: httpx.AsyncClient) -> None:
        headers = {"origin": "http://evil.example"} | BEARER
        assert (await client.post("/json", json={}, headers=headers)).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/live"), ("GET", "/nowhere"), ("GET", "/broken"), ("POST", "/json"), ("POST", "/form")],
)
@pytest.mark.parametrize("headers", [BEARER, FORGED, {}], ids=["known", "forged", "nobody"])
async def test_every_answer_tells_browsers_to_keep_and_run_nothing(
    client: httpx.AsyncClient, method: str, path: str, headers: dict[str, str]
) -> None:
    with suppress(RuntimeError):
        answer = await client.request(method, path, headers=headers)
        assert {name: answer.headers[name] for name in gate.HEADERS} == gate.HEADERS
        assert "13800000000" not in answer.text
