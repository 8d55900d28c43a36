"""Puts on record what a service decides and speaks by."""

from collections.abc import Callable, Sequence

from doorstep.kernel.artifacts import Publish, routed
from doorstep.kernel.service import Executes, Worker


class Publisher(Worker):
    """The worker that publishes what its service goes by, and what it goes by later. It asks at each turn, so what
    `artifacts` answers should be made beforehand."""

    name = "artifacts"

    def __init__(self, runtime: Executes, artifacts: Callable[[], Sequence[Publish]]) -> None:
        self._runtime = runtime
        self._artifacts = artifacts
        self._published: set[str] = set()

    async def turn(self, *, hurry: bool = False) -> int:
        """Publish at once what this process has not published yet; how many contents were new to all."""
        fresh = [one for one in self._artifacts() if one.hash not in self._published]
        if not fresh:
            return 0
        events = await self._runtime.execute(*map(routed, fresh))
        self._published.update(one.hash for one in fresh)
        return len(events)
