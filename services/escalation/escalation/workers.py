"""What escalation watches beside deciding: permits of which nobody says what became of them."""

from datetime import timedelta

from doorstep.infra.settings import Settings
from doorstep.kernel.pacing import Pace
from doorstep.kernel.service import Runtime, Worker

from escalation import views
from escalation.domain.policy import Policies

EVERY = timedelta(minutes=1)


class LapsedPermits(Worker):
    """Counts them, for whoever is on call."""

    name = "lapsed-permits"

    def __init__(self, runtime: Runtime[Settings, Policies]) -> None:
        self._runtime = runtime
        self._pace = Pace(runtime.clock, EVERY)
        self._gauge = runtime.telemetry.gauge("permits_lapsed", "permits whose outcome nobody has told; 0 is the aim")

    async def turn(self, *, hurry: bool = False) -> int:
        """Nothing is done; the gauge is set anew."""
        if hurry or self._pace.due():
            async with self._runtime.engine.connect() as connection:
                self._gauge.set(await views.lapsed_count(connection))
            self._pace.rest()
        return 0
