"""A run: a seeded schedule of faults over days of two tenants' loans, and what is found in the end."""

import itertools
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from doorstep_faults.checks import Verdict, check
from doorstep_faults.faults import FAULTS, Missed, Scene
from doorstep_faults.rig import TENANTS, Bank, rig, settle
from tests.support.bank import moment

A_DAY = 25
"""Faults between two nights, in which everything comes to rest."""
TRIES = 3
"""How often a fault is tried that finds nothing to hit."""
BORROWERS = 30


@dataclass
class Report:
    """What a run did and found."""

    seed: int
    mode: str
    hits: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """By kind, what showed that each fault hit."""
    missed: Counter[str] = field(default_factory=Counter)
    verdicts: Sequence[Verdict] = ()
    sent: int = 0
    unknown: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    events: int = 0
    days: int = 0
    seconds: float = 0.0

    @property
    def count(self) -> int:
        """Faults that hit."""
        return sum(map(len, self.hits.values()))

    @property
    def wrong(self) -> list[str]:
        """What broke a promise."""
        return [f"{one.promise}: {fault}" for one in self.verdicts for fault in one.wrong]


def schedule(seed: int, faults: int, kinds: Sequence[str]) -> list[str]:
    """Kinds of faults in the order of their coming: each at least once, and the rest by chance."""
    chance = random.Random(seed)
    plan = [*kinds, *chance.choices(kinds, k=max(0, faults - len(kinds)))][: max(faults, len(kinds))]
    chance.shuffle(plan)
    return plan


async def run(
    folder: Path,
    seed: int,
    faults: int,
    mode: str,
    kinds: Sequence[str],
    say: Callable[[str], None],
    mutation: str = "",
) -> Report:
    """All of it, in an empty `folder`; with the bug that `mutation` names put in."""
    report, begun = Report(seed, mode), time.monotonic()
    plan = schedule(seed, faults, kinds)
    async with rig(folder, mode, mutation) as made:
        scene = Scene(made, Bank(made), random.Random(seed), set(), [])
        while plan:
            await _day(scene, report, plan[:A_DAY], say)
            del plan[:A_DAY]
            report.days += 1
        report.verdicts = await check(scene)
        lines = made.provider.lines()
        report.sent = len({line.key for line in lines if line.taken})
        report.calls = Counter(line.plan for line in lines)
        report.unknown = (await made.rows("reminder", _UNKNOWN))[0][0]
        report.events = sum([(await made.rows(one, "select count(*) from events"))[0][0] for one in made.databases])
    report.seconds = time.monotonic() - begun
    return report


async def _day(scene: Scene, report: Report, plan: Sequence[str], say: Callable[[str], None]) -> None:
    day = next(day for day in itertools.count() if moment(day, 6, 7) > scene.rig.clock.now())
    scene.rig.clock.jump(moment(day, 6, 7))
    for tenant in TENANTS:
        for number in range(BORROWERS):
            if day and number % 5 == day % 5:
                await scene.bank.paid(tenant, number, day)
            else:
                await scene.bank.overdue(tenant, number, day)
    for kind in plan:
        await _hurt(scene, report, kind, say)
    await settle(scene.rig, max(moment(day, 21, 0), scene.rig.clock.now() + timedelta(minutes=1)))


async def _hurt(scene: Scene, report: Report, kind: str, say: Callable[[str], None]) -> None:
    for _ in range(TRIES):
        await scene.rig.revive()
        try:
            shown = await FAULTS[kind](scene)
        except Missed as error:
            report.missed[kind] += 1
            say(f"{report.count:5} {kind}: missed, {error}")
            continue
        finally:
            scene.rig.heal()
        report.hits[kind].append(shown)
        say(f"{report.count:5} {kind}: {shown}")
        return


_UNKNOWN = "select count(*) from events where type = 'doorstep.contact.unknown'"
