"""A broker that wants TLS and a password, and lets each service do what `doorstep kafka acls` lists, no more."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from doorstep.app.embedded import Secrets, installed
from doorstep.bus.acls import FILE, Acl, acls, script
from doorstep.bus.interface import Outgoing
from doorstep.bus.kafka import KafkaBus
from doorstep.bus.kafka_client import security
from doorstep.events.topics import ESCALATION, REMINDER, TOPICS, of
from doorstep.infra.settings import Settings, WrongSettings

from tests.conftest import without_kafka
from tests.support.kafka_broker import JavaBroker, NoBroker, java_broker

LISTENS = {one.name: one.listens for one in installed()}
CODES = {"Read": 3, "Write": 4, "Create": 5, "DescribeConfigs": 10, "topic": 2, "group": 3}
LITERAL, ALLOW, ANYWHERE = 3, 3, "*"


def test_each_topic_has_one_writer() -> None:
    writers = [(acl.name, acl.user) for acl in acls(LISTENS) if "Write" in acl.operations]
    assert dict(writers) == {one.name: one.owner or "bank" for one in TOPICS.values()}
    assert len(writers) == len(TOPICS)


def test_the_command_names_user_topic_and_operations() -> None:
    command = Acl("reminder", "topic", "x.reminder", ("Write", "Create")).command("kafka:9092")
    assert command.startswith("kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add ")
    assert command.endswith("--allow-principal User:reminder --operation Write --operation Create --topic x.reminder")


def test_the_commands_in_docs_are_those_of_this_release() -> None:
    written = (Path(__file__).resolve().parents[2] / "docs" / FILE).read_text()
    assert written == script(acls(LISTENS)), "make schema"


def settings(**given: Any) -> Settings:
    """Of a service that signs in at Kafka."""
    keys = Secrets.from_seed(1)
    return Settings(
        database_url="postgresql://a:b@c/d",
        vault_url="postgresql://a:b@c/d",
        vault_key=keys.vault_key,
        tenant_secret=keys.tenant_secret,
        jwt_public_key=keys.issuer.public_key,
        **given,
    )


def test_who_signs_in_needs_a_name_and_a_password() -> None:
    with pytest.raises(ValueError, match="DOORSTEP_KAFKA_USER"):
        settings(kafka_security="SASL_SSL", kafka_user="reminder")


def test_an_authority_that_cannot_be_read_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(WrongSettings, match="DOORSTEP_KAFKA_CA: cannot read it"):
        security(settings(kafka_security="SSL", kafka_ca=tmp_path / "none.pem"))


def certificate(folder: Path) -> Path:
    """A certificate for this machine that signs itself: `ca.pem`, and with its key `broker.pem`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test broker")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = signed.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "broker.pem").write_bytes(private + pem)
    (folder / "ca.pem").write_bytes(pem)
    return folder / "ca.pem"


def demanding(folder: Path) -> dict[str, str]:
    """Settings of a broker that lets in nobody it does not know, and allows nothing that is not listed."""
    login = "org.apache.kafka.common.security.scram.ScramLoginModule"
    return {
        "listeners": "SASL_SSL://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller_port",
        "advertised.listeners": "SASL_SSL://127.0.0.1:$port",
        "listener.security.protocol.map": "SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "SASL_SSL",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": (
            f'{login} required username="admin" password="admin-secret";'
        ),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(folder / "broker.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(folder / "ca.pem"),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        # The controller's listener is its own, and knows the broker by no name.
        "super.users": "User:admin;User:ANONYMOUS",
    }


class Demanding:
    """The broker with a user for each service and one for the bank."""

    def __init__(self, broker: JavaBroker, ca: Path) -> None:
        self._broker, self._ca = broker, ca

    def bus(self, user: str, password: str | None = None) -> KafkaBus:
        """As the service of that name reaches it."""
        signed = settings(
            kafka=self._broker.address,
            kafka_security="SASL_SSL",
            kafka_ca=self._ca,
            kafka_user=user,
            kafka_password=password or f"{user}-secret",
            topic_partitions=2,
        )
        return KafkaBus.from_settings(signed)

    async def allow(self, wanted: Acl, admin: AIOKafkaAdminClient) -> None:
        """What its command does."""
        for operation in wanted.operations:
            request = CreateAclsRequest(
                CODES[wanted.resource],
                wanted.name,
                LITERAL,
                f"User:{wanted.user}",
                ANYWHERE,
                CODES[operation],
                ALLOW,
            )
            answer = await admin._send_to_controller(request)
            assert all(code == 0 for code, _ in answer.creation_responses)


@pytest.fixture
async def demanding_broker(tmp_path: Path) -> AsyncIterator[Demanding]:
    ca = certificate(tmp_path)
    users = [f"name={name},password={name}-secret" for name in ("admin", "bank", *LISTENS)]
    try:
        broker = java_broker(tmp_path / "kafka", settings=demanding(tmp_path), users=users)
        await asyncio.to_thread(broker.start)
    except NoBroker as fault:
        without_kafka(fault)
    one = Demanding(broker, ca)
    admin = AIOKafkaAdminClient(**one.bus("admin")._client)
    await admin.start()
    for wanted in acls(LISTENS):
        await one.allow(wanted, admin)
    await admin.close()
    yield one
    await asyncio.to_thread(broker.stop)


@pytest.mark.kafka
@pytest.mark.timeout(240)
async def test_with_its_rights_each_service_does_its_work_and_no_other_writes_its_topic(
    demanding_broker: Demanding,
) -> None:
    escalation, reminder = demanding_broker.bus("escalation"), demanding_broker.bus("reminder")
    bank, stranger = demanding_broker.bus("bank"), demanding_broker.bus("reminder", password="guessed")
    await bank.ensure_topics(["doorstep.intake.v1"])
    for name in LISTENS:
        one = demanding_broker.bus(name)
        owned = [topic.name for topic in TOPICS.values() if topic.owner == name]
        await one.ensure_topics(owned)
        await one.close()
    await escalation.ensure_topics(of("escalation", LISTENS["escalation"]))
    await reminder.ensure_topics(of("reminder", LISTENS["reminder"]))

    await escalation.publish([Outgoing(ESCALATION, "case-1", b"a permit")])
    await reminder.publish([Outgoing(REMINDER, "case-1", b"sent")])
    subscription = await reminder.subscribe("reminder", [ESCALATION])
    async with asyncio.timeout(60):
        while not (records := await subscription.fetch(10, 0.5)):
            continue
    await subscription.commit(records)
    assert [record.value for record in records] == [b"a permit"]

    with pytest.raises(ConnectionError, match="TopicAuthorizationFailed"):
        await reminder.publish([Outgoing(ESCALATION, "case-1", b"a forged permit")])
    with pytest.raises(ConnectionError, match="cannot be used"):
        await stranger.publish([Outgoing(REMINDER, "case-1", b"sent")])
    assert await subscription.fetch(10, 1.0) in ([], ())

    await subscription.close()
    for bus in (escalation, reminder, bank, stranger):
        await bus.close()
