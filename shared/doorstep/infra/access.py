"""Who may do what: bearer tokens (JWT, Ed25519) with a role and its tenants; everything is denied unless a route names
roles, and whatever belongs to another tenant is not there (ADR 0025)."""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal, get_args
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import Depends, HTTPException, Request
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer

from doorstep.events.envelope import Actor
from doorstep.infra.clock import Clock

Role = Literal["viewer", "auditor", "compliance", "operator", "agent", "provider", "admin"]
"""viewer sees cases without personal data; auditor also reads the entries of the log as they are; compliance opens
personal data; operator handles what is parked and the agents' roster; agent reports visits; provider (an SMS or voice
gateway) brings receipts and replies; admin may do everything."""
AUDIENCE = "doorstep"
EVERY_TENANT = frozenset({"*"})
ISSUER = "doorstep"
"""What our own tokens have as `iss`."""
LOGIN = "doorstep login"
LINK_LIFETIME = timedelta(hours=1)
COOKIE = "doorstep_token"
BEARER = HTTPBearer(bearerFormat="JWT", scheme_name="bearer", auto_error=False)
PAGES = APIKeyCookie(name=COOKIE, scheme_name="cookie", description="for the pages", auto_error=False)


@dataclass(frozen=True)
class Principal:
    """The person or system behind a request, and whose cases it may see: none of any tenant it does not name."""

    id: str
    role: Role
    agency: str | None = None
    tenants: frozenset[str] = frozenset()

    @property
    def of_all(self) -> bool:
        """Whether it serves every tenant, and so may see what belongs to none."""
        return self.tenants == EVERY_TENANT

    @property
    def only(self) -> Sequence[str] | None:
        """The tenants whose rows a query may find; None: those of all."""
        return None if self.of_all else sorted(self.tenants)

    def serves(self, tenant: str) -> bool:
        """Whether what belongs to `tenant` is there for it."""
        return self.of_all or tenant in self.tenants

    def actor(self) -> Actor:
        """As it stands in events."""
        return Actor(id=self.id, role=self.role, agency=self.agency)


class Access:
    """Checks tokens against the public key (PEM) of whoever issues them, and their `iss` where `issuer` is given."""

    def __init__(self, public_key: str, issuer: str | None = None) -> None:
        self._public_key = public_key
        self._issuer = issuer

    def principal(self, token: str) -> Principal:
        """Raises jwt.InvalidTokenError for a token that is forged, expired, of another issuer or for another audience,
        or that names no known role, or no tenants."""
        claims = jwt.decode(
            token,
            self._public_key,
            algorithms=["EdDSA"],
            audience=AUDIENCE,
            issuer=self._issuer,
            options={"require": ["exp", "sub", "aud"]},
        )
        if claims.get("role") not in get_args(Role):
            raise jwt.InvalidTokenError(f"the claim `role` must be one of {', '.join(get_args(Role))}")
        return Principal(claims["sub"], claims["role"], claims.get("agency"), _tenants(claims.get("tenants")))


def _tenants(told: object) -> frozenset[str]:
    if told == "*":
        return EVERY_TENANT
    if isinstance(told, list) and told and all(isinstance(one, str) and _TENANT.fullmatch(one) for one in told):
        return frozenset(told)
    raise jwt.InvalidTokenError('the claim `tenants` must be a list of tenants, or "*" for all')


_TENANT = re.compile("[a-z0-9][a-z0-9-]{0,62}")


@dataclass(frozen=True)
class Issuer:
    """A key pair of our own, for the embedded mode and tests. In production the lender's identity
    provider issues tokens and Doorstep only knows its public key."""

    private_key: str

    @classmethod
    def generate(cls) -> "Issuer":
        """A fresh key pair."""
        return cls(private_key())

    @property
    def public_key(self) -> str:
        """PEM, for Access."""
        private = serialization.load_pem_private_key(self.private_key.encode(), None)
        return (
            private.public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            .decode()
        )

    def token(
        self,
        who: str,
        role: Role,
        issued: datetime,
        lifetime: timedelta = timedelta(hours=12),
        *,
        tenants: Collection[str] = EVERY_TENANT,
    ) -> str:
        """`issued` is real time, never simulated: a token's life is a matter of the wall clock."""
        claims = {
            "iss": ISSUER,
            "sub": who,
            "role": role,
            "tenants": "*" if tenants == EVERY_TENANT else sorted(tenants),
            "aud": AUDIENCE,
            "iat": issued,
            "exp": issued + lifetime,
        }
        return jwt.encode(claims, self.private_key, algorithm="EdDSA")


class Login:
    """Lets the owner of an embedded system in: a link with a code that works once, which a browser exchanges for its
    cookie. So no token stands in an address, a terminal or a history. `clock` is the real one, as for tokens."""

    def __init__(self, issuer: Issuer, clock: Clock) -> None:
        self._issuer = issuer
        self._clock = clock
        self._used: dict[str, int] = {}

    def code(self, who: str, role: Role) -> str:
        """Good for one exchange within an hour, in whichever process has the same key."""
        ends = self._clock.now() + LINK_LIFETIME
        claims = {"sub": who, "role": role, "jti": uuid4().hex, "aud": LOGIN, "exp": ends}
        return jwt.encode(claims, self._issuer.private_key, algorithm="EdDSA")

    def exchange(self, code: str) -> str:
        """A token for its bearer. Raises jwt.InvalidTokenError for a code that is none, too old, or used."""
        key, wanted = self._issuer.public_key, ["exp", "sub", "aud", "jti"]
        claims = jwt.decode(code, key, algorithms=["EdDSA"], audience=LOGIN, options={"require": wanted})
        now = self._clock.now()
        self._used = {one: ends for one, ends in self._used.items() if ends > now.timestamp()}
        if claims["jti"] in self._used:
            raise jwt.InvalidTokenError("this link was used")
        self._used[claims["jti"]] = claims["exp"]
        return self._issuer.token(claims["sub"], claims["role"], now)


def private_key() -> str:
    """A fresh Ed25519 key, PEM."""
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem.decode()


async def token_of(request: Request) -> tuple[str | None, bool]:
    """The token that came with `request`, if any, and whether a browser brought it by itself, as a cookie."""
    if header := await BEARER(request):
        return header.credentials, False
    return await PAGES(request), True


def requires(*roles: Role, of_all: bool = False) -> Callable[..., Principal]:
    """The dependency that lets `roles` (and admin) in; with `of_all` those alone who serve every tenant. 401 without a
    valid token, 403 with another role or for fewer tenants."""

    def check(
        request: Request,
        header: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)],
        cookie: Annotated[str | None, Depends(PAGES)],
    ) -> Principal:
        access: Access = request.app.state.access
        token = header.credentials if header else cookie
        if not token:
            raise HTTPException(401, "bring a bearer token", {"WWW-Authenticate": "Bearer"})
        try:
            principal = access.principal(token)
        except jwt.InvalidTokenError as error:
            raise HTTPException(401, f"bring a valid bearer token: {error}", {"WWW-Authenticate": "Bearer"}) from None
        if principal.role != "admin" and principal.role not in roles:
            raise HTTPException(403, f"this needs the role {' or '.join(roles)}; the token says {principal.role}")
        if of_all and not principal.of_all:
            raise HTTPException(403, 'what is here can be of any tenant: this needs a token whose `tenants` is "*"')
        return principal

    check.roles = roles  # type: ignore[attr-defined]
    check.of_all = of_all  # type: ignore[attr-defined]
    return check


Viewer = Annotated[Principal, Depends(requires("viewer", "auditor", "compliance", "operator"))]
Auditor = Annotated[Principal, Depends(requires("auditor", "compliance"))]
Compliance = Annotated[Principal, Depends(requires("compliance"))]
Operator = Annotated[Principal, Depends(requires("operator"))]
FieldAgent = Annotated[Principal, Depends(requires("agent"))]
Provider = Annotated[Principal, Depends(requires("provider"))]
ViewerOfAll = Annotated[Principal, Depends(requires("viewer", "auditor", "compliance", "operator", of_all=True))]
AuditorOfAll = Annotated[Principal, Depends(requires("auditor", "compliance", of_all=True))]
ComplianceOfAll = Annotated[Principal, Depends(requires("compliance", of_all=True))]
OperatorOfAll = Annotated[Principal, Depends(requires("operator", of_all=True))]
