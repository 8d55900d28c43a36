"""Settings: environment variables with the prefix DOORSTEP_, all checked at once before anything starts."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

Secret = Annotated[SecretStr, Field(min_length=32)]


class WrongSettings(Exception):
    """One message that names every wrong variable and what it should be."""


class Settings(BaseSettings):
    """What every service reads from its environment; one that reads more has a class of its own on this. Secrets have
    no default; the embedded mode makes them."""

    model_config = SettingsConfigDict(env_prefix="DOORSTEP_", extra="ignore", frozen=True)

    database_url: str = Field(description="PostgreSQL database of this service: postgresql://user:password@host/name")
    vault_url: str = Field(description="PostgreSQL database of the borrowers' keys, with a role of its own")
    vault_key: Secret = Field(description="wraps the borrowers' keys; at least 32 characters")
    tenant_secret: Secret = Field(description="case ids and tokens are HMACs under it; at least 32 characters")
    jwt_public_key: str = Field(description="PEM, Ed25519: who issues the tokens we accept")
    jwt_issuer: str | None = Field(None, description="what their `iss` must be; empty: any")
    kafka: str | None = Field(None, description="bootstrap servers, host:port,...; empty means the embedded bus")
    kafka_security: Literal["PLAINTEXT", "SSL", "SASL_SSL"] = Field(
        "PLAINTEXT", description="how the brokers listen; SASL_SSL signs in by SCRAM-SHA-512"
    )
    kafka_ca: Path | None = Field(
        None, description="PEM file of who signed the brokers' certificates; empty means those this machine trusts"
    )
    kafka_user: str | None = Field(None, description="this service's name at Kafka, one of its own")
    kafka_password: SecretStr | None = Field(None, validate_default=True, description="with SASL_SSL, of that user")
    topic_prefix: str = Field("", description="put before every topic and group, so that systems can share a broker")
    topic_partitions: int = Field(
        64, ge=1, le=1000, description="partitions of a topic that has to be made; they can never be changed"
    )
    topic_replicas: int = Field(1, ge=1, le=7, description="replicas of a topic that has to be made")
    http_host: str = Field("127.0.0.1", description="address the API listens on")
    http_port: int = Field(8080, ge=0, le=65535, description="port the API listens on")
    otlp_endpoint: str | None = Field(None, description="OTLP/HTTP collector, for example http://otel:4318")
    trace_ratio: float = Field(0.1, ge=0, le=1, description="share of traces that are recorded")
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="least severe log line")
    batch: int = Field(500, ge=1, le=5000, description="messages taken in one transaction")
    attempts: int = Field(3, ge=1, le=100, description="tries before a message that fails is parked")
    call_timeout: float = Field(10.0, gt=0, le=300, description="seconds after which a call to a provider is cut off")
    call_margin: float = Field(
        5.0, gt=0, le=300, description="seconds a provider may take to show, when asked, a message it accepted"
    )
    calls_at_once: int = Field(128, ge=1, le=2000, description="calls of a kind that a process makes at the same time")
    longest_rest: float = Field(
        2.0, gt=0, le=60, description="seconds after which a loop that found nothing looks again, woken by nobody"
    )
    clock_file: Path | None = Field(None, description="tests only: read the time from this file")
    failpoint: str | None = Field(None, description="tests only: name:n, where the process kills itself")

    @field_validator("database_url", "vault_url")
    @classmethod
    def _postgresql(cls, url: str) -> str:
        if not url.startswith(("postgresql://", "postgresql+asyncpg://")):
            raise ValueError("want postgresql://user:password@host/name")
        return url.replace("postgresql://", "postgresql+asyncpg://", 1)

    @field_validator("kafka_password")
    @classmethod
    def _signed_in(cls, password: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if info.data.get("kafka_security") == "SASL_SSL" and not (password and info.data.get("kafka_user")):
            raise ValueError("DOORSTEP_KAFKA_SECURITY is SASL_SSL: give DOORSTEP_KAFKA_USER and this password")
        return password

    @field_validator("jwt_public_key")
    @classmethod
    def _pem(cls, pem: str) -> str:
        if "BEGIN PUBLIC KEY" not in pem:
            raise ValueError("want a PEM public key (-----BEGIN PUBLIC KEY-----)")
        return pem.replace("\\n", "\n")

    @classmethod
    def read(cls) -> Self:
        """From the environment. Raises WrongSettings with every fault at once."""
        try:
            return cls()
        except ValidationError as error:
            raise WrongSettings(_explain(cls, error)) from None


def _explain(cls: type[Settings], error: ValidationError) -> str:
    lines = []
    for fault in error.errors(include_input=False, include_url=False):
        name = str(fault["loc"][0]) if fault["loc"] else "?"
        field = cls.model_fields.get(name)
        about = f" ({field.description})" if field and field.description else ""
        lines.append(f"  DOORSTEP_{name.upper()}: {fault['msg']}{about}")
    return "these settings are wrong; mend them and start again:\n" + "\n".join(sorted(lines))
