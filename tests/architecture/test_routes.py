"""Deny by default: every route of every service demands a role, apart from a named few."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, get_args

import httpx
import pytest
from doorstep.app.embedded import installed
from doorstep.app.openapi import unconnected
from doorstep.infra.access import Role
from doorstep_demo import routes as demo_routes
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts

PROBES = {"/live", "/ready", "/metrics"}
LINK = "/"
"""Turns the token of a link into a cookie, where several services run in one process; it shows nothing."""
LOG = "/log/{path:path}"
"""Checkpoint, key and hashes of the log: whoever is to verify it may take them. Its entries need a role."""
SERVICES = tuple(service.name for service in installed())


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


@pytest.mark.parametrize("route", named(routes_of(unconnected(*SERVICES, home="/audit/"))))
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
    app = unconnected(name)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        for route in routes_of(app):
            if route.path in {*PROBES, LOG}:
                continue
            path = re.sub(r"{\w+(:path)?}", "1", str(route.path))
            for method in route.methods or ():
                answer = await client.request(method, path, json={})
                assert answer.status_code == 401, f"{method} {path}"


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
    [found] = [
        one.original_route
        for one in routes_of(unconnected(route.service))
        if one.path == route.path and route.method in (one.methods or ())
    ]
    assert isinstance(found, APIRoute)
    assert all(route.role in roles for roles in demanded(found.dependant))
