"""kill -9 of the process that keeps the log, five times at each of its steps, while all it writes waits for the disk.

What was acknowledged is never told again, so an entry that a death lost would be missing in the end. Each process
opens the log as the one before left it. services/audit/tests/test_log.py lets the same steps fail a hundred times each,
within one process."""

import asyncio
import random
import signal
from pathlib import Path

import pytest
from audit.log import writer
from tlog.folder import Folder

from tests.support.audit_log import KEY, STEPS, NewDatabase, fresh, started, values
from tests.support.cluster import forking
from tests.support.keeping import Keeping


@pytest.mark.parametrize("step", STEPS)
async def test_kill_9_at_any_step_five_times_loses_nothing_and_doubles_nothing(
    step: str, new_database: NewDatabase, tmp_path: Path
) -> None:
    folder, acknowledged, dice = tmp_path / "log", tmp_path / "acknowledged", random.Random(step)
    acknowledged.write_text("0")
    engines = await fresh(new_database)
    async with started(engines, folder) as audit:
        await writer.create(audit.running)
    keeping = Keeping([one.url.render_as_string(hide_password=False) for one in engines], KEY, folder, acknowledged)
    published = [Folder(folder).checkpoint()]
    for _ in range(5):
        process = forking.Process(
            target=keeping.until_killed, args=(step, dice.choice((1, 2, 3)), dice.randrange(1_000)), daemon=True
        )
        process.start()
        await asyncio.to_thread(process.join, 60)
        assert process.exitcode == -signal.SIGKILL, f"it did not come by {step}: {process.exitcode}"
        published.append(Folder(folder).checkpoint())
    async with started(engines, folder) as audit:
        await audit.keep()
        size = audit.verified().size
        assert size >= int(acknowledged.read_text())
        assert audit.entries(size) == values(size)
        audit.demand_began(published)
