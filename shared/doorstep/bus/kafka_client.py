"""How every Kafka client of ours connects, and what is said when it cannot."""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Mapping
from typing import Any

from aiokafka.errors import KafkaError

from doorstep.infra.settings import Settings, WrongSettings

log = logging.getLogger(__name__)

REQUEST_TIMEOUT = 10.0
CLOSE_TIMEOUT = 5.0
MECHANISM = "SCRAM-SHA-512"
CLIENT: dict[str, Any] = {"request_timeout_ms": int(REQUEST_TIMEOUT * 1000)}


def security(settings: Settings) -> Mapping[str, Any]:
    """What a client needs to be let in, as DOORSTEP_KAFKA_SECURITY and its neighbours say. Raises WrongSettings."""
    options: dict[str, Any] = {"security_protocol": settings.kafka_security}
    if settings.kafka_security != "PLAINTEXT":
        try:
            options["ssl_context"] = ssl.create_default_context(cafile=settings.kafka_ca)
        except OSError as error:
            raise WrongSettings(
                f"DOORSTEP_KAFKA_CA: cannot read it ({type(error).__name__}); want a PEM file of who signed"
                " the brokers' certificates, or nothing for those this machine trusts"
            ) from None
    if settings.kafka_security == "SASL_SSL":
        assert settings.kafka_password is not None
        options |= {
            "sasl_mechanism": MECHANISM,
            "sasl_plain_username": settings.kafka_user,
            "sasl_plain_password": settings.kafka_password.get_secret_value(),
        }
    return options


def unreachable(address: str, error: BaseException) -> ConnectionError:
    """What to raise when Kafka does not do what was asked."""
    return ConnectionError(
        f"Kafka at {address} cannot be used: {error!r}. Check that the broker runs, that DOORSTEP_KAFKA and"
        " DOORSTEP_KAFKA_SECURITY fit it, that the topics exist and that `doorstep kafka acls` are in force; what was"
        " not acknowledged will be sent again"
    )


def retrieve(future: "asyncio.Future[Any]") -> None:
    """Else asyncio complains about a failure that nobody looks at."""
    if not future.cancelled():
        future.exception()


async def within(seconds: float, closing: Awaitable[Any]) -> bool:
    """Whether `closing` came to its end; a fault of what is being given up matters to nobody."""
    try:
        await asyncio.wait_for(closing, seconds)
    except (KafkaError, TimeoutError) as error:
        log.warning("gave up closing a Kafka client: %r", error)
        return False
    return True
