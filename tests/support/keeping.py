"""A process that is told events and keeps them in the log, to be killed at one of its steps."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from doorstep.infra import database, failpoints

from tests.support.audit_log import started, values

ROUNDS = 50
"""A process that nobody killed by then has not come by its failpoint."""


@dataclass(frozen=True)
class Keeping:
    """What outlives the process: databases (see tests.support.audit_log.fresh) by their addresses, the log's key and
    folder, and as a consumer's offset a file that says how many events need not be told again."""

    urls: Sequence[str]
    key: str
    folder: Path
    acknowledged: Path

    def until_killed(self, step: str, nth: int, seed: int) -> None:
        """In a process of its own: dies by SIGKILL at the `nth` hit of `step`."""
        asyncio.run(self._keep(step, nth, random.Random(seed)))

    async def _keep(self, step: str, nth: int, dice: random.Random) -> None:
        engines = [database.engine(url) for url in self.urls]
        async with started(engines, self.folder, log_key=self.key, durable=True) as audit:
            failpoints.arm(step, nth, kill=True)
            for _ in range(ROUNDS):
                await audit.keep()
                first, count = int(self.acknowledged.read_text()), dice.choice((1, 3, 90, 256))
                await audit.hear(values(count, first), first)
                self.acknowledged.write_text(str(first + count))
