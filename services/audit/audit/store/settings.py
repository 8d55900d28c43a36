"""What the audit reads from its environment."""

import re
from pathlib import Path
from typing import Annotated

from doorstep.infra.settings import Settings
from doorstep.kernel.service import Runtime
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

_WITNESS = re.compile(r"https?://[^\s,]+ [^\s,+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]+=*")


class AuditSettings(Settings):
    """The log, the monitor and how long borrowers are kept."""

    log_origin: str = Field("doorstep.example/log", min_length=1, description="name of the audit's log, for ever")
    log_key: SecretStr | None = Field(None, description="PEM, Ed25519 private key: signs the log's checkpoints")
    log_folder: Path = Field(Path(".doorstep/log"), description="where the log's tiles and checkpoint lie")
    log_every: float = Field(1.0, ge=0, description="seconds between two checkpoints of the log")
    log_scrub_every: float = Field(60.0, ge=0, description="seconds between two slices of 4,096 entries compared")
    log_witnesses: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="who cosigns the log: `url vkey` with commas between, the vkey as `doorstep witness` prints it"
    )
    log_create: bool = Field(False, description="make the log where there is none; else `doorstep log create` does")
    monitor_every: float = Field(5.0, ge=0, description="seconds between two looks of the conformance monitor")
    durable: bool = Field(True, description="tests and demo only: false saves waiting for the disk")
    retention_days: int | None = Field(None, ge=1, description="days after which an ended case is erased; empty: kept")

    @field_validator("log_witnesses", mode="before")
    @classmethod
    def _witnesses(cls, told: object) -> object:
        found = tuple(one.strip() for one in told.split(",") if one.strip()) if isinstance(told, str) else told
        if isinstance(found, tuple) and not all(_WITNESS.fullmatch(str(one)) for one in found):
            raise ValueError("want https://witness.example name+id+base64, with commas between several")
        return found


AuditRuntime = Runtime[AuditSettings]
"""What the audit's parts are offered."""
