"""Deny by default: every route of every service demands a role, apart from a named few."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, get_args

import httpx
import pytest
from doorstep.app.embedded import Secrets, installed
from doorstep.infra.access import Access, Issuer, Role
from doorstep.infra.settings import Settings
from doorstep.kernel import http
from doorstep.kernel.runtime import Running
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts

PROBES = {"/live", "/ready", "/metrics"}
LINK = "/"
"""Turns the token of a link into a cookie, where several services run in one process; it shows nothing."""
LOG = "/log/{path:path}"
"""Checkpoint, key and hashes of the log: whoever is to verify it may take them. Its entries need a role."""
SERVICES = {service.name: service for service in installed()}


def app_of(*names: str, home: str | None = None) -> FastAPI:
    """The app of these services, which connects to nothing yet."""
    keys = Secrets.from_seed(1)
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    settings = Settings(
        database_url=nowhere,
        vault_url=nowhere,
        vault_key=keys.vault_key,
        tenant_secret=keys.tenant_secret,
        jwt_public_key=keys.issuer.public_key,
        kafka="127.0.0.1:1",
    )
    running = [Running(SERVICES[name], settings) for name in names]
    return http.build(running, Access(Issuer.generate().public_key), home=home, drive=False)


def demanded(dependant: Dependant) -> Iterator[set[Role]]:
    """The roles each dependency of a route lets in."""
    roles = getattr(dependant.call, "roles", None)
    if roles is not None:
        yield set(roles)
    for below in dependant.dependencies:
        yield from demanded(below)


def routes_of(app: FastAPI) -> Sequence[RouteContext]:
    return tuple(iter_route_contexts(app.routes))


def named(routes: Sequence[RouteContext]) -> list[Any]:
    return [pytest.param(one, id=f"{','.join(sorted(one.methods or ()))} {one.path}") for one in routes]


@pytest.mark.parametrize("route", named(routes_of(app_of(*SERVICES, home="/audit/"))))
def test_every_route_demands_a_role_or_is_one_of_the_open_ones(route: RouteContext) -> None:
    if route.path in {*PROBES, LINK, f"/audit{LOG}"}:
        assert route.methods == {"GET"}
        return
    assert isinstance(route.original_route, APIRoute), "no plain route: say here how it is guarded"
    roles = list(demanded(route.original_route.dependant))
    assert roles, "its handler takes no principal: see doorstep.infra.access"
    assert all(one and one <= set(get_args(Role)) for one in roles)


@pytest.mark.parametrize("name", SERVICES)
async def test_without_a_token_a_service_gives_nothing_away(name: str) -> None:
    app = app_of(name)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        for route in routes_of(app):
            if route.path in {*PROBES, LOG}:
                continue
            path = re.sub(r"{\w+(:path)?}", "1", str(route.path))
            for method in route.methods or ():
                answer = await client.request(method, path, json={})
                # A body that does not fit is refused first, by the schema that anyone can read in the source.
                assert answer.status_code in (401, 422), f"{method} {path}"


def test_the_roles_are_those_the_documentation_names() -> None:
    assert set(get_args(Role)) == {"viewer", "auditor", "compliance", "operator", "agent", "provider", "admin"}
