"""A wrong setting stops the start, with one message that names them all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from doorstep.infra.access import Issuer
from doorstep.infra.settings import Settings, WrongSettings

RIGHT = {
    "DOORSTEP_DATABASE_URL": "postgresql://escalation:secret@db/escalation",
    "DOORSTEP_VAULT_URL": "postgresql://vault:secret@db/vault",
    "DOORSTEP_VAULT_KEY": "v" * 32,
    "DOORSTEP_TENANT_SECRET": "t" * 32,
    "DOORSTEP_JWT_PUBLIC_KEY": Issuer.generate().public_key,
}
WRONG = {
    "DOORSTEP_DATABASE_URL": "mysql://db",
    "DOORSTEP_VAULT_KEY": "short-but-secret",
    "DOORSTEP_JWT_PUBLIC_KEY": "ssh-ed25519 AAAA",
    "DOORSTEP_HTTP_PORT": "http",
    "DOORSTEP_TRACE_RATIO": "2",
    "DOORSTEP_LOG_LEVEL": "loud",
    "DOORSTEP_BATCH": "0",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Nothing of ours set but what is right."""
    for name in [name for name in os.environ if name.startswith("DOORSTEP_")]:
        monkeypatch.delenv(name)
    for name, value in RIGHT.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def complaint() -> str:
    """What is said of the environment as it stands."""
    with pytest.raises(WrongSettings) as raised:
        Settings.read()
    return str(raised.value)


def test_what_is_right_is_read(environment: pytest.MonkeyPatch) -> None:
    settings = Settings.read()
    assert settings.database_url == "postgresql+asyncpg://escalation:secret@db/escalation"
    assert settings.vault_key.get_secret_value() == "v" * 32


def test_every_wrong_variable_is_named_in_one_message(environment: pytest.MonkeyPatch) -> None:
    for name, value in WRONG.items():
        environment.setenv(name, value)
    environment.delenv("DOORSTEP_TENANT_SECRET")
    said = complaint()
    assert all(f"  {name}: " in said for name in (*WRONG, "DOORSTEP_TENANT_SECRET"))
    assert len(said.splitlines()) == 1 + len(WRONG) + 1


def test_no_message_quotes_what_may_be_a_secret(environment: pytest.MonkeyPatch) -> None:
    for name, value in WRONG.items():
        environment.setenv(name, value)
    assert not [value for value in WRONG.values() if len(value) > 4 and value in complaint()]


def test_a_secret_does_not_show_in_a_printed_settings_object(environment: pytest.MonkeyPatch) -> None:
    assert "v" * 32 not in repr(Settings.read())


def test_each_variable_says_what_it_is_for(environment: pytest.MonkeyPatch) -> None:
    assert all(field.description for field in Settings.model_fields.values())
    environment.delenv("DOORSTEP_VAULT_URL")
    assert "PostgreSQL database of the borrowers' keys" in complaint()


def test_a_public_key_may_come_on_one_line(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DOORSTEP_JWT_PUBLIC_KEY", RIGHT["DOORSTEP_JWT_PUBLIC_KEY"].replace("\n", "\\n"))
    assert Settings.read().jwt_public_key == RIGHT["DOORSTEP_JWT_PUBLIC_KEY"]


def test_a_variable_of_someone_else_does_not_matter(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DOORSTEP_OF_A_LATER_RELEASE", "x")
    assert Settings.read()


def test_serve_ends_with_the_message_before_anything_starts(tmp_path: Path) -> None:
    outside = {name: value for name, value in os.environ.items() if not name.startswith("DOORSTEP_")}
    command = [str(Path(sys.executable).parent / "doorstep"), "serve", "escalation"]
    ended = subprocess.run(
        command, env=outside | WRONG, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert all(f"{name}: " in ended.stderr for name in WRONG)
    assert "Traceback" not in ended.stderr
    assert list(tmp_path.iterdir()) == []
