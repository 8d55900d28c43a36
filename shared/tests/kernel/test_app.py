"""A service over HTTP: probes, errors a caller can act on, parked messages; and what it says without its servers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from doorstep.bus.interface import Outgoing
from doorstep.bus.kafka import KafkaBus
from doorstep.infra.access import Access, Issuer, Login, Operator, Role
from doorstep.infra.clock import SimulatedClock, SystemClock
from doorstep.infra.telemetry import Telemetry, exposition
from doorstep.kernel import http, runtime
from doorstep.kernel.decider import Routed, Unknown
from doorstep.kernel.runtime import Running
from doorstep.kernel.service import Runtime
from fastapi import APIRouter, FastAPI
from sqlalchemy import make_url

from tests.support.counting import DECIDER, HEARD, Count, World, asked, counter

ISSUER = Issuer.generate()
HOME = http.Landing("/parked", Login(ISSUER, SystemClock()))
ROLES: tuple[Role, ...] = ("viewer", "compliance", "operator", "agent", "provider")


def api(runtime: Runtime) -> APIRouter:
    """Counting over HTTP."""
    router = APIRouter()

    @router.post("/counts/{number}")
    async def count(number: int, who: Operator) -> dict[str, int]:
        return {"events": len(await runtime.execute(Routed(counter("a"), Count(number), who.actor())))}

    @router.post("/words/{key}")
    async def words(key: str, _: Operator) -> None:
        await runtime.vault.seal([(key, b"hello")])

    @router.get("/counts/{key}")
    async def counts(key: str, _: Operator) -> list[int]:
        state = await runtime.state(DECIDER, counter(key))
        if not state.numbers:
            raise Unknown(f"nobody has counted {key}")
        return list(state.numbers)

    return router


def bearer(role: Role = "operator") -> dict[str, str]:
    return {"authorization": f"Bearer {ISSUER.token('olga', role, datetime.now(UTC))}"}


def built(*services: Running, drive: bool = False, home: http.Landing | None = None) -> FastAPI:
    return http.build(services, Access(ISSUER.public_key), drive=drive, home=home)


@asynccontextmanager
async def client_of(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Someone who talks to `app` as an operator, while it runs."""
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test", headers=bearer()) as client,
    ):
        yield client


@pytest.fixture
async def counted(counting: World) -> AsyncIterator[httpx.AsyncClient]:
    """The counter over HTTP, its loops at rest."""
    counting.running.service = replace(counting.running.service, api=api)
    async with client_of(built(counting.running)) as client:
        yield client


class TestProbes:
    """Open to everyone, and they say nothing about anybody."""

    async def test_it_is_live_and_ready(self, counted: httpx.AsyncClient) -> None:
        assert (await counted.get("/live", headers={"authorization": ""})).json() == {"status": "live"}
        assert (await counted.get("/ready", headers={"authorization": ""})).json() == {"status": "ready"}

    async def test_it_measures_itself(self, counted: httpx.AsyncClient, counting: World) -> None:
        await counting.ask(asked("a", 1), asked("a", 13))
        await counting.settle()
        answer = await counted.get("/metrics", headers={"authorization": ""})
        measured = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
        assert float(measured['doorstep_events_committed_total{service="counting"}']) >= 2
        assert float(measured['doorstep_messages_parked_total{service="counting"}']) == 1
        labels = [label for name in measured for label in name.partition("{")[2].split('"')[1::2]]
        assert "counting" in labels
        assert "a" not in labels

    def test_services_of_one_process_tell_each_metric_once_and_whose_it_is(self) -> None:
        one, other = Telemetry("one"), Telemetry("other")
        one.lag.set(1)
        other.lag.set(2)
        other.gauge("own", "which only one of them has").set(3)
        told = exposition([one, other]).decode().splitlines()
        assert [line for line in told if "doorstep_lag" in line] == [
            "# HELP doorstep_lag messages not read yet",
            "# TYPE doorstep_lag gauge",
            'doorstep_lag{service="one"} 1.0',
            'doorstep_lag{service="other"} 2.0',
        ]
        assert 'doorstep_own{service="other"} 3.0' in told


class TestErrors:
    """Each says what to do."""

    async def test_refused_is_a_409_with_the_rule(self, counted: httpx.AsyncClient) -> None:
        answer = await counted.post("/counts/14")
        assert (answer.status_code, answer.json()) == (409, {"detail": "14 is not for counting"})

    async def test_unknown_is_a_404(self, counted: httpx.AsyncClient) -> None:
        answer = await counted.get("/counts/nobody")
        assert (answer.status_code, answer.json()) == (404, {"detail": "nobody has counted nobody"})

    async def test_an_erased_borrower_is_a_410(self, counted: httpx.AsyncClient, counting: World) -> None:
        await counting.running.vault.destroy("gone")
        answer = await counted.post("/words/gone")
        assert (answer.status_code, "without its text" in answer.text) == (410, True)

    async def test_a_bug_quotes_nothing(self, counted: httpx.AsyncClient) -> None:
        with suppress(RuntimeError):
            answer = await counted.post("/counts/13")
            assert "13800000000" not in answer.text

    async def test_what_is_decided_names_who_asked(self, counted: httpx.AsyncClient, counting: World) -> None:
        assert (await counted.post("/counts/5")).json() == {"events": 1}
        await counting.settle()
        (said,) = await counting.said()
        assert (said.actor.id, said.actor.role) == ("olga", "operator")


class TestDoors:
    """Denied unless a route names the role."""

    @pytest.mark.parametrize("role", ROLES)
    async def test_parked_messages_are_the_operators(self, counted: httpx.AsyncClient, role: Role) -> None:
        expected = 200 if role == "operator" else 403
        assert (await counted.get("/parked", headers=bearer(role))).status_code == expected

    @pytest.mark.parametrize("path", ["/parked", "/openapi.json", "/counts/a"])
    async def test_nobody_enters_without_a_token(self, counted: httpx.AsyncClient, path: str) -> None:
        assert (await counted.get(path, headers={"authorization": ""})).status_code == 401

    @pytest.mark.parametrize("path", ["/docs", "/redoc"])
    async def test_the_frameworks_own_pages_are_not_there(self, counted: httpx.AsyncClient, path: str) -> None:
        assert (await counted.get(path)).status_code == 404

    @pytest.mark.parametrize(("host", "secure"), [("127.0.0.1", False), ("doorstep.example", True)])
    async def test_the_link_turns_its_code_into_a_cookie_once(self, counting: World, host: str, secure: bool) -> None:
        async with client_of(built(counting.running, home=HOME)) as client:
            client.headers.pop("authorization")
            client.base_url = httpx.URL(f"http://{host}")
            link = {"code": HOME.login.code("owner", "admin")}
            entered = await client.get("/", params=link)
            assert (entered.status_code, entered.headers["location"]) == (303, "/parked")
            cookie = entered.headers["set-cookie"].lower()
            assert ("httponly" in cookie, "samesite=strict" in cookie, "secure" in cookie) == (True, True, secure)
            assert secure or (await client.get("/parked")).status_code == 200
            client.cookies.clear()
            again = await client.get("/", params=link)
            assert (again.status_code, "was used" in again.text, "set-cookie" in again.headers) == (401, True, False)

    @pytest.mark.parametrize(
        "code",
        [
            "x.y.z",
            Login(ISSUER, SimulatedClock(datetime.now(UTC) - timedelta(hours=2))).code("owner", "admin"),
            ISSUER.token("owner", "admin", datetime.now(UTC)),
        ],
        ids=["forged", "old", "a token"],
    )
    async def test_what_is_no_code_gives_no_cookie_and_says_how_to_get_one(self, counting: World, code: str) -> None:
        async with client_of(built(counting.running, home=HOME)) as client:
            entered = await client.get("/", params={"code": code})
            assert entered.status_code == 401
            assert "doorstep link" in entered.json()["detail"]
            assert "set-cookie" not in entered.headers

    async def test_a_code_is_no_token(self, counted: httpx.AsyncClient) -> None:
        code = HOME.login.code("owner", "admin")
        assert (await counted.get("/parked", headers={"authorization": f"Bearer {code}"})).status_code == 401

    async def test_what_is_parked_is_for_whoever_serves_every_tenant(self, counted: httpx.AsyncClient) -> None:
        token = ISSUER.token("olga", "operator", datetime.now(UTC), tenants=["acme"])
        answer = await counted.get("/parked", headers={"authorization": f"Bearer {token}"})
        assert (answer.status_code, "tenants" in answer.json()["detail"]) == (403, True)


class TestParked:
    """An operator sees what waits, and replays or discards it."""

    async def test_what_waits_is_listed_without_its_bytes(self, counted: httpx.AsyncClient, counting: World) -> None:
        await counting.ask(Outgoing(HEARD, "a", b'{"name": "Zhang San"'), asked("a", 1), asked("b", 2))
        await counting.settle()
        listed = (await counted.get("/parked")).json()
        assert [(one["key"], one["behind"]) for one in listed] == [("a", None), ("a", listed[0]["id"])]
        assert "cannot read it" in listed[0]["reason"]
        assert "Zhang" not in str(listed)

    async def test_a_replay_stops_at_what_is_still_wrong(self, counted: httpx.AsyncClient, counting: World) -> None:
        await counting.ask(Outgoing(HEARD, "a", b"{"), asked("a", 1))
        await counting.settle()
        answer = (await counted.post("/parked/a/replay")).json()
        assert (answer["replayed"], answer["waiting"]) == (0, 2)
        assert "cannot read it" in answer["reason"]
        assert await counting.numbers("a") == ()

    async def test_what_is_discarded_lets_those_behind_it_be_replayed(
        self, counted: httpx.AsyncClient, counting: World
    ) -> None:
        await counting.ask(Outgoing(HEARD, "a", b"{"), asked("a", 1), asked("a", 2))
        await counting.settle()
        first = (await counted.get("/parked")).json()[0]["id"]
        discarded = await counted.post(f"/parked/{first}/discard", params={"reason": "half a message"})
        assert discarded.json() == {"discarded": first}
        assert (await counted.post("/parked/a/replay")).json() == {"replayed": 2, "waiting": 0}
        assert await counting.numbers("a") == (1, 2)
        assert (await counted.get("/parked")).json() == []

    async def test_a_key_may_hold_a_slash(self, counted: httpx.AsyncClient, counting: World) -> None:
        await counting.ask(Outgoing(HEARD, "acme:L/1", b"{"))
        await counting.settle()
        for path in ("acme:L/1", "acme%3AL%2F1"):
            assert (await counted.post(f"/parked/{path}/replay")).json()["waiting"] == 1

    async def test_an_id_that_cannot_be_is_a_422(self, counted: httpx.AsyncClient) -> None:
        assert (await counted.post("/parked/%00/replay")).status_code == 422

    async def test_discarding_wants_a_reason_and_something_to_discard(self, counted: httpx.AsyncClient) -> None:
        assert (await counted.post("/parked/1/discard")).status_code == 422
        answer = await counted.post("/parked/1/discard", params={"reason": " -  - "})
        assert (answer.status_code, answer.json()["detail"][:25]) == (409, "say why, in at least 4 ch")
        answer = await counted.post("/parked/404/discard", params={"reason": "typo"})
        assert answer.status_code == 404
        assert "doorstep parked list" in answer.json()["detail"]


class TestSeveralServices:
    """In one process each has its own prefix, and /ready speaks for all."""

    async def test_each_is_mounted_under_its_name(self, counting: World) -> None:
        one = counting.running
        other = Running(replace(one.service, name="other"), one.settings, bus=counting.bus)
        async with client_of(built(one, other)) as client:
            assert (await client.get("/counting/parked")).json() == []
            answer = await client.get("/ready")
            assert answer.status_code == 503
            assert answer.json() == {"status": "not ready", "other": {"start": "not connected yet"}}
        await other.close()


async def test_a_loop_that_hangs_is_stuck_and_one_that_fails_is_not(
    counting: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "STUCK", 0.5)
    stop = asyncio.Event()

    async def hang() -> int:
        await stop.wait()
        return 0

    async def fail() -> int:
        raise ConnectionError("away")

    loops = [counting.running._loop(name, turn, stop) for name, turn in (("hangs", hang), ("fails", fail))]
    running = asyncio.gather(*loops)
    await asyncio.sleep(0.6)
    assert counting.running.stuck() == ["hangs"]
    assert counting.running.faults() == {"fails": "away"}
    stop.set()
    await running


class Gate:
    """A TCP door in front of PostgreSQL's socket, that can be shut."""

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def open(self) -> None:
        """Let connections through; always on the same port."""
        self._server = await asyncio.start_server(self._through, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        """Break what is open, refuse what comes."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._writers:
            writer.transport.abort()

    async def _through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(self._socket)
        self._writers |= {writer, back}
        await asyncio.gather(_pour(reader, back), _pour(there, writer), return_exceptions=True)
        self._writers -= {writer, back}


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()


class TestWithoutItsServers:
    """It says so, keeps trying, and goes on by itself."""

    @pytest.fixture
    async def gated(self, counting: World, tmp_path: Path) -> AsyncIterator[tuple[Gate, Running]]:
        """A service whose database stands behind a gate that is shut."""
        url = make_url(counting.running.settings.database_url)
        gate = Gate(f"{url.query['host']}/.s.PGSQL.{url.port or 5432}")
        await gate.open()
        await gate.shut()
        behind = url.set(query={}, host="127.0.0.1", port=gate.port).render_as_string(hide_password=False)
        settings = counting.running.settings.model_copy(update={"database_url": behind})
        service = replace(counting.running.service, api=api, name="gated")
        yield gate, Running(service, settings, bus=counting.bus, clock=SystemClock())
        await gate.shut()

    async def test_it_waits_for_postgresql_and_survives_its_absence(self, gated: tuple[Gate, Running]) -> None:
        gate, running = gated
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(client_of(built(running, drive=True)))
            said = await until(client, lambda answer: "not connected" not in answer.text)
            assert said.status_code == 503
            assert "PostgreSQL is not reachable: DOORSTEP_DATABASE_URL" in said.json()["gated"]["start"]
            refused = await client.post("/counts/1")
            assert refused.status_code == 503
            assert "try again" in refused.json()["detail"]
            assert (await client.get("/live")).status_code == 200

            await gate.open()
            await until(client, lambda answer: answer.status_code == 200)
            assert (await client.post("/counts/1")).json() == {"events": 1}

            await gate.shut()
            away = await until(client, lambda answer: answer.status_code == 503)
            assert set(away.json()["gated"]) <= {"consumer", "timers", "effects", "relay"}
            answer = await client.post("/counts/2")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")

            await gate.open()
            await until(client, lambda answer: answer.status_code == 200)
            assert (await client.post("/counts/2")).json() == {"events": 1}

    async def test_without_kafka_it_is_not_ready_and_names_the_setting(self, counting: World) -> None:
        settings = counting.running.settings.model_copy(update={"kafka": "127.0.0.1:1"})
        running = Running(counting.running.service, settings, bus=KafkaBus.from_settings(settings))
        async with client_of(built(running, drive=True)) as client:
            said = await until(client, lambda answer: "not connected" not in answer.text)
            assert said.status_code == 503
            assert "Kafka at 127.0.0.1:1 cannot be used" in said.json()["counting"]["start"]
            assert "DOORSTEP_KAFKA" in said.json()["counting"]["start"]
        await running.bus.close()


async def until(client: httpx.AsyncClient, so: Callable[[httpx.Response], Any]) -> httpx.Response:
    """/ready, once it says `so`."""
    async with asyncio.timeout(40):
        while not so(answer := await client.get("/ready")):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    return answer
