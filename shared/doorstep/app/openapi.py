"""The API of each service as OpenAPI, docs/openapi/<service>.json: generated from its routes."""

import json
from pathlib import Path

from fastapi import FastAPI

from doorstep.app.embedded import Secrets, installed, installed_as
from doorstep.infra.access import Access, Issuer, Login
from doorstep.infra.clock import SystemClock
from doorstep.infra.settings import Settings
from doorstep.kernel import http
from doorstep.kernel.runtime import Running

FOLDER = "openapi"


def unconnected(*names: str, at_home: bool = False, issuer: Issuer | None = None) -> FastAPI:
    """The app of these services, `at_home` as `doorstep up` serves them, which takes the tokens of `issuer`. It reaches
    neither a database nor a bus: for looking at its routes."""
    keys = Secrets.from_seed(1)
    issuer = issuer or keys.issuer
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    running = []
    for service in (installed_as(name, Settings) for name in names):
        settings = service.settings(
            database_url=nowhere,
            vault_url=nowhere,
            vault_key=keys.vault_key,
            tenant_secret=keys.tenant_secret,
            jwt_public_key=issuer.public_key,
            kafka="127.0.0.1:1",
        )
        running.append(Running(service, settings))
    home = http.Landing("/audit/", Login(issuer, SystemClock())) if at_home else None
    return http.build(running, Access(issuer.public_key), home=home, drive=False)


def generate(name: str) -> str:
    """The document of the service called `name`. Raises Unknown."""
    return json.dumps(unconnected(name).openapi(), indent=2, ensure_ascii=False) + "\n"


def write(folder: Path) -> None:
    """One file for each installed service, below `folder`."""
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    for service in installed():
        (folder / FOLDER / f"{service.name}.json").write_text(generate(service.name), encoding="utf-8")
