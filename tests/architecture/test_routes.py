"""Deny by default: every route of every service demands a role, apart from a named few."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import httpx
import pytest
from doorstep.app import access_docs
from doorstep.app.access_docs import ROLES, RouteAccess, doors
from doorstep.app.embedded import installed
from doorstep.app.openapi import unconnected
from doorstep.infra.access import EVERY_TENANT, Issuer, Role
from doorstep_demo import routes as demo_routes

ROOT = Path(__file__).resolve().parents[2]
PROBES = {"/live", "/ready", "/metrics"}
LINK = "/"
"""Turns the token of a link into a cookie, where several services run in one process; it shows nothing."""
LOG = "/log/{path:path}"
"""Checkpoint, key and hashes of the log: whoever is to verify it may take them. Its entries need a role."""
SERVICES = tuple(service.name for service in installed())
READERS = sorted({*ROOT.glob("services/*/*/**/api.py"), *ROOT.glob("services/*/*/disclosure/**/*.py")})
DOORS = doors(unconnected(*SERVICES, at_home=True))


@pytest.mark.parametrize("door", DOORS, ids=[f"{one.method} {one.path}" for one in DOORS])
def test_every_route_demands_a_role_or_is_one_of_the_open_ones(door: RouteAccess) -> None:
    if door.path in {*PROBES, LINK, f"/audit{LOG}"}:
        assert (door.method, door.roles) == ("GET", frozenset())
        return
    assert door.roles, "its handler takes no principal: see doorstep.infra.access"
    assert door.roles <= set(ROLES)


@pytest.mark.parametrize("name", SERVICES)
async def test_a_door_opens_for_the_roles_it_names_and_for_no_other(name: str) -> None:
    async with knocking(name) as knock:
        for door in doors(unconnected(name)):
            for role in ROLES:
                # Behind an open door nothing is there: neither what the path names nor a database.
                refused = await knock(door, role, EVERY_TENANT) in (401, 403)
                assert refused != door.lets_in(role), f"{door} {role}"


@pytest.mark.parametrize("name", SERVICES)
async def test_what_can_be_of_any_tenant_is_for_whoever_serves_all(name: str) -> None:
    async with knocking(name) as knock:
        for door in doors(unconnected(name)):
            refused = await knock(door, "admin", frozenset({"acme"})) == 403
            assert refused == door.of_all, door


def test_the_documentation_says_who_may_call_which_route() -> None:
    assert (ROOT / "docs" / access_docs.FILE).read_text(encoding="utf-8") == access_docs.generate(), "run `make schema`"


@pytest.mark.parametrize("path", READERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_people_read_is_read_for_their_tenants_alone(path: Path) -> None:
    assert not re.search(r"engine\.(connect|begin)\(", path.read_text()), "take infra.database.reading"


@asynccontextmanager
async def knocking(service: str) -> AsyncIterator[Callable[[RouteAccess, Role, frozenset[str]], Awaitable[int]]]:
    """Knocks at a door of `service` in a role, for tenants: the status of the answer."""
    issuer = Issuer.generate()
    transport = httpx.ASGITransport(unconnected(service, issuer=issuer), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:

        async def knock(door: RouteAccess, role: Role, tenants: frozenset[str]) -> int:
            token = issuer.token("somebody", role, datetime.now(UTC), tenants=tenants)
            path = re.sub(r"{\w+(:path)?}", "1", door.path)
            headers = {"authorization": f"Bearer {token}"}
            return (await client.request(door.method, path, headers=headers, json={})).status_code

        yield knock


@pytest.mark.parametrize("name", SERVICES)
async def test_without_a_token_a_service_gives_nothing_away(name: str) -> None:
    app = unconnected(name)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        for door in doors(app):
            if door.path in {*PROBES, LOG}:
                continue
            answer = await client.request(door.method, re.sub(r"{\w+(:path)?}", "1", door.path), json={})
            assert answer.status_code == 401, door


@pytest.mark.parametrize("name", SERVICES)
def test_the_api_document_says_how_to_bring_a_token(name: str) -> None:
    document = unconnected(name).openapi()
    assert {one["type"] for one in document["components"]["securitySchemes"].values()} == {"http", "apiKey"}
    for path, methods in document["paths"].items():
        for said in methods.values():
            ways = [scheme for way in said.get("security", []) for scheme in way]
            assert ways == ([] if path in {*PROBES, LOG.replace(":path", "")} else ["bearer", "cookie"]), path


def test_the_roles_are_those_the_documentation_names() -> None:
    assert set(get_args(Role)) == {"viewer", "auditor", "compliance", "operator", "agent", "provider", "admin"}


@pytest.mark.parametrize("route", [one for one in vars(demo_routes).values() if isinstance(one, demo_routes.Route)])
def test_what_the_demo_calls_is_a_route_of_that_service_for_that_role(route: demo_routes.Route) -> None:
    [door] = [one for one in doors(unconnected(route.service)) if (one.method, one.path) == (route.method, route.path)]
    assert door.lets_in(route.role)
