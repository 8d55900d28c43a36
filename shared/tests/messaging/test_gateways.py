"""A provider comes as an entry point, and a setting says which channel it carries."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from doorstep.events.values import Borrower, Channel, ContactPoint
from doorstep.infra.settings import WrongSettings
from doorstep.messaging.channels import CHANNELS, Destination, NoRecipient
from doorstep.messaging.file_gateway import FileGateway
from doorstep.messaging.gateways import Message
from doorstep.messaging.settings import MessagingSettings, gateways

MESSAGE = Message(
    idempotency_key="k", channel="sms", to=Destination("phone", "+1"), text="t", language="en", case_id="c"
)
ACME = """
from doorstep.messaging.gateways import Receipt


class Acme:
    name, dedupes, can_find = "acme", True, False
    sent = []

    def __init__(self, settings):
        self.lender = settings.lender_name

    async def send(self, message):
        self.sent.append(message)
        return Receipt(status="accepted", provider_message_id="a-1")

    async def find(self, idempotency_key):
        return None
"""


@pytest.fixture
def chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., MessagingSettings]:
    """Settings with these gateways, read where a made-up provider `acme` is installed."""
    (tmp_path / "acme_doorstep.py").write_text(ACME)
    installed = tmp_path / "acme_doorstep-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-doorstep\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[doorstep.gateways]\nacme = acme_doorstep:Acme\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    required = dict.fromkeys(("database_url", "vault_url"), "postgresql://nobody@nowhere/x")
    required |= {"vault_key": "v" * 32, "tenant_secret": "t" * 32, "jwt_public_key": "-----BEGIN PUBLIC KEY-----"}
    for name, value in {**required, "gateway_folder": str(tmp_path / "messages")}.items():
        monkeypatch.setenv(f"DOORSTEP_{name.upper()}", value)

    def read(**names: str) -> MessagingSettings:
        for channel, name in names.items():
            monkeypatch.setenv(f"DOORSTEP_GATEWAY_{channel.upper()}", name)
        return MessagingSettings.read()

    return read


async def test_what_is_written_for_borrowers_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Also where an older release left the folder open."""
    folder = tmp_path / "messages"
    folder.mkdir(mode=0o755)
    gateway = FileGateway(folder, durable=False)
    await gateway.send(MESSAGE)
    assert [path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir())] == [0o700, 0o600]


async def test_a_provider_that_is_installed_and_chosen_carries_its_channel_and_no_other(chosen: Any) -> None:
    made = gateways(chosen(sms="acme"))
    assert (await made["sms"].send(MESSAGE)).provider_message_id == "a-1"
    assert sys.modules["acme_doorstep"].Acme.sent == [MESSAGE]
    assert [channel for channel in get_args(Channel) if made[channel].name == "acme"] == ["sms"]
    assert isinstance(made["letter"], FileGateway)


def test_channels_that_choose_the_same_gateway_share_it(chosen: Any) -> None:
    made = gateways(chosen(sms="acme", voice="acme"))
    assert made["sms"] is made["voice"]
    assert made["email"] is made["push"] is made["letter"]


def test_a_gateway_that_is_not_installed_stops_the_start_and_says_which_there_are(chosen: Any) -> None:
    with pytest.raises(WrongSettings, match=r"GATEWAY_PUSH: .* no gateway is called acne; there are: acme, file"):
        chosen(push="acne")


def test_every_channel_has_its_value_and_its_setting() -> None:
    assert set(CHANNELS) == set(get_args(Channel))
    assert {f"gateway_{channel}" for channel in CHANNELS} <= MessagingSettings.model_fields.keys()
    assert set(get_args(ContactPoint)) <= set(Borrower.__struct_fields__)


def test_a_message_has_nowhere_to_go_without_the_contact_point_of_its_channel() -> None:
    borrower = Borrower(borrower_id="B1", name="王小明", phone="13800138000", email="wang@example.com")
    assert CHANNELS["voice"].destination(borrower, None) == Destination("phone", "+8613800138000")
    assert CHANNELS["email"].destination(borrower, None) == Destination("email", "wang@example.com")
    with pytest.raises(NoRecipient, match="no push token"):
        CHANNELS["push"].destination(borrower, None)
    with pytest.raises(NoRecipient, match="no address"):
        CHANNELS["letter"].destination(borrower, None)
