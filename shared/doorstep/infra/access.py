"""Who may do what: bearer tokens (JWT, Ed25519) with a role; everything is denied unless a route names roles."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal, get_args

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import Depends, HTTPException, Request
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer

from doorstep.events.envelope import Actor

Role = Literal["viewer", "auditor", "compliance", "operator", "agent", "provider", "admin"]
"""viewer sees cases without personal data; auditor also reads the entries of the log as they are; compliance opens
personal data; operator handles what is parked and the agents' roster; agent reports visits; provider (an SMS or voice
gateway) brings receipts and replies; admin may do everything."""
AUDIENCE = "doorstep"
COOKIE = "doorstep_token"
BEARER = HTTPBearer(bearerFormat="JWT", scheme_name="bearer", auto_error=False)
PAGES = APIKeyCookie(name=COOKIE, scheme_name="cookie", description="for the pages", auto_error=False)


@dataclass(frozen=True)
class Principal:
    """The person or system behind a request."""

    id: str
    role: Role
    agency: str | None = None

    def actor(self) -> Actor:
        """As it stands in events."""
        return Actor(id=self.id, role=self.role, agency=self.agency)


class Access:
    """Checks tokens against the public key (PEM) of whoever issues them."""

    def __init__(self, public_key: str) -> None:
        self._public_key = public_key

    def principal(self, token: str) -> Principal:
        """Raises jwt.InvalidTokenError for a token that is forged, expired, for another audience, or
        without a known role."""
        claims = jwt.decode(
            token,
            self._public_key,
            algorithms=["EdDSA"],
            audience=AUDIENCE,
            options={"require": ["exp", "sub", "aud"]},
        )
        if claims.get("role") not in get_args(Role):
            raise jwt.InvalidTokenError(f"the claim `role` must be one of {', '.join(get_args(Role))}")
        return Principal(claims["sub"], claims["role"], claims.get("agency"))


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

    def token(self, who: str, role: Role, issued: datetime, lifetime: timedelta = timedelta(hours=12)) -> str:
        """`issued` is real time, never simulated: a token's life is a matter of the wall clock."""
        claims = {"sub": who, "role": role, "aud": AUDIENCE, "iat": issued, "exp": issued + lifetime}
        return jwt.encode(claims, self.private_key, algorithm="EdDSA")


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


def requires(*roles: Role) -> Callable[..., Principal]:
    """The dependency that lets `roles` (and admin) in. 401 without a valid token, 403 with another role."""

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
        return principal

    check.roles = roles  # type: ignore[attr-defined]
    return check


Viewer = Annotated[Principal, Depends(requires("viewer", "auditor", "compliance", "operator"))]
Auditor = Annotated[Principal, Depends(requires("auditor", "compliance"))]
Compliance = Annotated[Principal, Depends(requires("compliance"))]
Operator = Annotated[Principal, Depends(requires("operator"))]
FieldAgent = Annotated[Principal, Depends(requires("agent"))]
Provider = Annotated[Principal, Depends(requires("provider"))]
