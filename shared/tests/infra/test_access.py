"""Nobody gets in without a valid token of the right role."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from doorstep.infra.access import (
    AUDIENCE,
    COOKIE,
    Access,
    Compliance,
    FieldAgent,
    Issuer,
    Operator,
    Provider,
    Role,
    Viewer,
)
from fastapi import FastAPI

ISSUER = Issuer.generate()
DOORS: dict[str, tuple[Any, set[Role]]] = {
    "/viewer": (Viewer, {"viewer", "auditor", "compliance", "operator", "admin"}),
    "/compliance": (Compliance, {"compliance", "admin"}),
    "/operator": (Operator, {"operator", "admin"}),
    "/agent": (FieldAgent, {"agent", "admin"}),
    "/provider": (Provider, {"provider", "admin"}),
}
ROLES: tuple[Role, ...] = ("viewer", "auditor", "compliance", "operator", "agent", "provider", "admin")


def door(app: FastAPI, path: str, who: Any) -> None:
    @app.get(path)
    async def enter(principal: who) -> dict[str, str | None]:
        return {"id": principal.id, "role": principal.role, "agency": principal.agency}


@pytest.fixture
async def house() -> AsyncIterator[httpx.AsyncClient]:
    """An app with a door per kind of principal."""
    app = FastAPI()
    app.state.access = Access(ISSUER.public_key)
    for path, (who, _) in DOORS.items():
        door(app, path, who)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield client


def claims(**other: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "sub": "wang.li",
        "role": "viewer",
        "tenants": "*",
        "aud": AUDIENCE,
        "exp": now + timedelta(hours=1),
    } | other


def signed(content: dict[str, Any], key: str = ISSUER.private_key, algorithm: str = "EdDSA") -> str:
    return jwt.encode({name: one for name, one in content.items() if one is not None}, key, algorithm)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize("path", DOORS)
@pytest.mark.parametrize("role", ROLES)
async def test_a_role_opens_its_own_doors_and_no_other(house: httpx.AsyncClient, path: str, role: Role) -> None:
    answer = await house.get(path, headers=bearer(ISSUER.token("wang.li", role, datetime.now(UTC))))
    assert answer.status_code == (200 if role in DOORS[path][1] else 403)


async def test_a_refusal_says_which_role_is_needed(house: httpx.AsyncClient) -> None:
    answer = await house.get("/operator", headers=bearer(signed(claims())))
    assert answer.json()["detail"] == "this needs the role operator; the token says viewer"


async def test_the_agency_of_a_collector_comes_along(house: httpx.AsyncClient) -> None:
    answer = await house.get("/agent", headers=bearer(signed(claims(role="agent", agency="安信调解"))))
    assert answer.json() == {"id": "wang.li", "role": "agent", "agency": "安信调解"}


@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": ""}, {"authorization": "Bearer"}, {"authorization": "Basic d2FuZzpsaQ=="}, bearer("x.y.z")],
)
async def test_without_a_token_nobody_enters(house: httpx.AsyncClient, headers: dict[str, str]) -> None:
    answer = await house.get("/viewer", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("why", "other"),
    [
        ("expired", {"exp": datetime.now(UTC) - timedelta(seconds=1)}),
        ("for another audience", {"aud": "payroll"}),
        ("without audience", {"aud": None}),
        ("without end", {"exp": None}),
        ("of nobody", {"sub": None}),
        ("without role", {"role": None}),
        ("of an unknown role", {"role": "root"}),
        ("of a list of roles", {"role": ["admin"]}),
        ("of no tenants", {"tenants": None}),
        ("of an empty list of tenants", {"tenants": []}),
        ("of tenants that are none", {"tenants": ["acme", "*"]}),
        ("of tenants in one text", {"tenants": "acme,other"}),
        ("not valid yet", {"nbf": datetime.now(UTC) + timedelta(hours=1)}),
    ],
)
async def test_a_bad_token_is_no_token(house: httpx.AsyncClient, why: str, other: dict[str, Any]) -> None:
    assert (await house.get("/viewer", headers=bearer(signed(claims(**other))))).status_code == 401, why


async def test_a_token_of_another_issuer_is_no_token(house: httpx.AsyncClient) -> None:
    token = signed(claims(), Issuer.generate().private_key)
    assert (await house.get("/viewer", headers=bearer(token))).status_code == 401


async def test_the_public_key_is_no_password(house: httpx.AsyncClient) -> None:
    """The classic attack: a token signed with the public key as a shared secret, or not signed at all."""
    unsigned = jwt.encode(claims(), "", algorithm="none")
    assert (await house.get("/viewer", headers=bearer(unsigned))).status_code == 401
    shared = jwt.encode(claims(), "x" * 32, algorithm="HS256")
    assert (await house.get("/viewer", headers=bearer(shared))).status_code == 401


async def test_a_changed_role_breaks_the_signature(house: httpx.AsyncClient) -> None:
    head, _, signature = signed(claims()).split(".")
    forged = jwt.encode(claims(role="admin"), Ed25519PrivateKey.generate(), "EdDSA").split(".")[1]
    assert (await house.get("/viewer", headers=bearer(f"{head}.{forged}.{signature}"))).status_code == 401


async def test_the_pages_may_bring_the_token_as_a_cookie(house: httpx.AsyncClient) -> None:
    house.cookies.set(COOKIE, signed(claims()))
    assert (await house.get("/viewer")).status_code == 200


def test_a_token_lasts_twelve_hours() -> None:
    noon = datetime(2026, 1, 5, 12, tzinfo=UTC)
    held = jwt.decode(ISSUER.token("x", "viewer", noon), options={"verify_signature": False})
    assert held["exp"] - held["iat"] == 12 * 3600


def test_a_principal_stands_in_events_with_role_and_agency() -> None:
    principal = Access(ISSUER.public_key).principal(signed(claims(role="agent", agency="安信调解")))
    actor = principal.actor()
    assert (actor.id, actor.role, actor.agency) == ("wang.li", "agent", "安信调解")


async def test_only_the_issuer_that_is_named_may_issue() -> None:
    named = Access(ISSUER.public_key, "https://id.bank.example")
    assert named.principal(signed(claims(iss="https://id.bank.example"))).id == "wang.li"
    for other in ("https://id.other.example", None):
        with pytest.raises(jwt.InvalidTokenError):
            named.principal(signed(claims(iss=other)))


def test_a_principal_serves_the_tenants_its_token_names() -> None:
    access = Access(ISSUER.public_key)
    few, all_ = (access.principal(signed(claims(tenants=one))) for one in (["acme", "nova"], "*"))
    assert (few.serves("acme"), few.serves("other"), few.of_all, few.only) == (True, False, False, ["acme", "nova"])
    assert (all_.serves("acme"), all_.serves("other"), all_.of_all, all_.only) == (True, True, True, None)
