"""Who may do what at Kafka: nothing but what is listed here, from the list of topics and what services hear."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from doorstep.events.topics import TOPICS, Topic

FILE = "kafka-acls.sh"
_HEAD = (
    "#!/bin/sh",
    f"# Who may do what at Kafka; made by `make schema`. KAFKA=host:port sh {FILE}",
    "set -eu",
)
BANK = "bank"
"""The user of whoever publishes what no service of ours owns."""
Operation = Literal["Read", "Write", "Create", "DescribeConfigs"]


@dataclass(frozen=True)
class Acl:
    """`user` may do `operations` on one topic or group; reading and writing allow describing."""

    user: str
    resource: Literal["topic", "group"]
    name: str
    operations: tuple[Operation, ...]

    def command(self, address: str) -> str:
        """What an administrator runs, with their own way to sign in in admin.properties."""
        allowed = " ".join(f"--operation {one}" for one in self.operations)
        return (
            f"kafka-acls.sh --bootstrap-server {address} --command-config admin.properties --add"
            f" --allow-principal User:{self.user} {allowed} --{self.resource} {self.name}"
        )


def acls(listens: Mapping[str, Iterable[str]], prefix: str = "") -> Sequence[Acl]:
    """Everything that must be allowed, where `listens` has the topics each service hears. A topic has one writer."""
    return [
        *(acl for topic in TOPICS.values() for acl in _of_topic(topic, listens, prefix)),
        *(Acl(service, "group", prefix + service, ("Read",)) for service in listens),
    ]


def script(wanted: Iterable[Acl]) -> str:
    """All commands as a shell script, which wants the brokers' address in KAFKA."""
    return "\n".join([*_HEAD, *(one.command('"$KAFKA"') for one in wanted)]) + "\n"


def _of_topic(topic: Topic, listens: Mapping[str, Iterable[str]], prefix: str) -> Iterator[Acl]:
    owner = topic.owner or BANK
    yield Acl(owner, "topic", prefix + topic.name, ("Write", "Create", "DescribeConfigs"))
    for service, heard in listens.items():
        if topic.name in heard:
            yield Acl(service, "topic", prefix + topic.name, ("Read", "DescribeConfigs"))
