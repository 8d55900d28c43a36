"""The topics on Kafka: making those that are missing, and refusing those that would lose messages in silence."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    KafkaError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)

from doorstep.bus.interface import LARGEST_MESSAGE
from doorstep.bus.kafka_client import CLOSE_TIMEOUT, REQUEST_TIMEOUT, unreachable, within
from doorstep.events.topics import KEPT_AT_LEAST, TOPICS, Topic
from doorstep.infra.settings import WrongSettings

FOR_EVER = -1
LEFT_UNMADE = (TopicAlreadyExistsError, TopicAuthorizationFailedError)
"""Whoever may not make a topic can still use it once it is there."""

Config = Mapping[str, str]


class WrongTopic(WrongSettings):
    """A topic is set up so that messages could vanish or lose their order; the message says how to mend it."""


def other_count(name: str, before: int) -> WrongTopic:
    """What to raise when the topic called `name` at the broker had `before` partitions, and has no longer."""
    return WrongTopic(
        f"topic {name} had {before} partitions and has another number now: half of all keys would move, and a message"
        " could overtake what was said before it. Kafka cannot take partitions away; docs/runbook.md says how to go on"
        " (A topic has other partitions)"
    )


class Topics:
    """`client` is how to connect. `partitions` and `replicas` are for topics that have to be made."""

    def __init__(self, address: str, client: Mapping[str, Any], prefix: str, partitions: int, replicas: int) -> None:
        self._address = address
        self._client = client
        self._prefix = prefix
        self._partitions = partitions
        self._replicas = replicas

    async def ensure(self, names: Sequence[str]) -> Mapping[str, int]:
        """Make what is missing and check the rest; how many partitions each has. Raises ConnectionError, also when the
        broker refuses, and WrongTopic."""
        admin = AIOKafkaAdminClient(**self._client)
        try:
            await asyncio.wait_for(admin.start(), REQUEST_TIMEOUT)
            await asyncio.wait_for(self._make(admin, names), REQUEST_TIMEOUT)
            counts = await asyncio.wait_for(self._counted(admin, names), REQUEST_TIMEOUT)
            found = await asyncio.wait_for(self._configs(admin, names), REQUEST_TIMEOUT)
        except (KafkaError, TimeoutError) as error:
            raise unreachable(self._address, error) from error
        finally:
            await within(CLOSE_TIMEOUT, admin.close())
        self._refuse_wrong(found)
        return counts

    async def _make(self, admin: AIOKafkaAdminClient, names: Sequence[str]) -> None:
        safe = {"min.insync.replicas": "2" if self._replicas > 2 else "1"}
        fresh = [
            NewTopic(
                self._prefix + name, self._partitions, self._replicas, topic_configs=config_of(_topic(name)) | safe
            )
            for name in names
        ]
        answer = await admin.create_topics(fresh)
        for name, code, *reason in answer.topic_errors:
            if code and for_code(code) not in LEFT_UNMADE:
                raise for_code(code)(f"topic {name}: {reason[0] if reason else ''}")

    async def _counted(self, admin: AIOKafkaAdminClient, names: Sequence[str]) -> Mapping[str, int]:
        # A topic that was made just now may not be known everywhere yet.
        while True:
            described = await admin.describe_topics([self._prefix + name for name in names])
            if not any(for_code(one["error_code"]) is UnknownTopicOrPartitionError for one in described):
                break
            await asyncio.sleep(0.1)
        for one in described:
            if one["error_code"]:
                raise for_code(one["error_code"])(f"topic {one['topic']}")
        return {one["topic"].removeprefix(self._prefix): len(one["partitions"]) for one in described}

    async def _configs(self, admin: AIOKafkaAdminClient, names: Sequence[str]) -> Mapping[str, Config]:
        wanted = [ConfigResource(ConfigResourceType.TOPIC, self._prefix + name) for name in names]
        found = {}
        for answer in await admin.describe_configs(wanted):
            for code, reason, _, name, entries in answer.resources:
                if code:
                    raise for_code(code)(f"settings of topic {name}: {reason}")
                found[name.removeprefix(self._prefix)] = {entry[0]: entry[1] for entry in entries}
        return found

    def _refuse_wrong(self, found: Mapping[str, Config]) -> None:
        wrong = {name: dict(_wrong(_topic(name), config)) for name, config in found.items()}
        lines = [line for name, settings in wrong.items() for line in self._mending(name, settings, found[name])]
        if lines:
            raise WrongTopic(
                "topics are set up so that messages could vanish before they are read. Mend them and start again:\n"
                + "\n".join(lines)
            )

    def _mending(self, name: str, wrong: Config, found: Config) -> Iterator[str]:
        if wrong:
            has = ", ".join(f"{setting}={found.get(setting)}" for setting in wrong)
            yield f"  {self._prefix}{name} has {has}:"
            yield (
                f"  kafka-configs.sh --bootstrap-server {self._address} --alter --entity-type topics"
                f" --entity-name {self._prefix}{name} --add-config {','.join(map('='.join, wrong.items()))}"
            )


def config_of(topic: Topic) -> dict[str, str]:
    """How a topic is made."""
    config = {
        "cleanup.policy": "delete",
        "max.message.bytes": str(LARGEST_MESSAGE),
        "retention.bytes": str(FOR_EVER),
        "retention.ms": str(FOR_EVER if topic.retention is None else _ms(topic.retention)),
    }
    return config | ({"segment.ms": str(_ms(topic.segment))} if topic.segment else {})


def _wrong(topic: Topic, found: Config) -> Iterator[tuple[str, str]]:
    """The settings of `found` that do not do, each as it should be."""
    made = config_of(topic)
    retention = int(found["retention.ms"])
    fits = {
        "cleanup.policy": found["cleanup.policy"] == made["cleanup.policy"],
        "max.message.bytes": int(found["max.message.bytes"]) >= LARGEST_MESSAGE,
        "retention.bytes": found["retention.bytes"] == made["retention.bytes"],
        # What is there in plaintext is neither lost too early nor kept too long.
        "retention.ms": (
            retention == _ms(topic.retention)
            if topic.retention
            else retention == FOR_EVER or retention >= _ms(KEPT_AT_LEAST)
        ),
        "segment.ms": topic.segment is None or int(found["segment.ms"]) <= _ms(topic.segment),
    }
    return ((setting, made[setting]) for setting, right in fits.items() if not right)


def _topic(name: str) -> Topic:
    return TOPICS.get(name) or Topic(name, None)


def _ms(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)
