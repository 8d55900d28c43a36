"""Fixtures of the tests that cross services. The broker is one for all pytest-xdist workers."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from tests.support.kafka_broker import JavaBroker, NoBroker, java_broker, shared_broker


@pytest.fixture(scope="session")
def kafka_address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where a real Kafka listens. Without one the test is skipped; with DOORSTEP_REQUIRE_KAFKA=1 it fails."""
    in_worker = "PYTEST_XDIST_WORKER" in os.environ
    base = tmp_path_factory.getbasetemp()
    try:
        if in_worker:
            return shared_broker(base.parent, owner=os.getppid())
        return shared_broker(base, owner=os.getpid())
    except NoBroker as fault:
        without_kafka(fault)


@pytest.fixture
def kafka_bus_prefix() -> str:
    """Keeps the topics and groups of one test apart from all others on the shared broker."""
    return f"t{uuid.uuid4().hex[:10]}."


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[JavaBroker]:
    """A broker of the test's own, running, to be killed and started at will."""
    try:
        broker = java_broker(tmp_path / "kafka")
        broker.start()
    except NoBroker as fault:
        without_kafka(fault)
    yield broker
    broker.stop()


def without_kafka(fault: NoBroker) -> NoReturn:
    """Skip; or fail, where Kafka is required."""
    if os.environ.get("DOORSTEP_REQUIRE_KAFKA") == "1":
        pytest.fail(f"DOORSTEP_REQUIRE_KAFKA=1, but {fault}")
    pytest.skip(str(fault))
