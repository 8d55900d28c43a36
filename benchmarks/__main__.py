"""`make bench`, or `make bench ARGS=--quick`: what the kernel does beside what the machine can do, in one run."""

import argparse
import asyncio
import os
import shutil
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from math import log10
from pathlib import Path
from statistics import median

from audit.log.writer import BATCH
from doorstep.infra import gc_tuning, telemetry
from doorstep.infra.database import EmbeddedPostgres

from benchmarks import contenders, decisions, journey, log, ramp, scale, sending, timeline
from benchmarks.contenders import Contender
from benchmarks.journey import Outcome, Passage, System
from tests.support.kafka_broker import NoBroker, running_broker


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rounds: int
    events: int
    bursts: int
    burst: int
    trickle: int
    cases: int
    answers: int
    logged: int
    messages: int
    sizes: tuple[int, ...]


FULL = Plan(
    rounds=5,
    events=6_000,
    bursts=3,
    burst=5_000,
    trickle=1_500,
    cases=1_000,
    answers=500,
    logged=1_000_000,
    messages=20_000,
    sizes=(10_000, 100_000),
)
QUICK = Plan(
    rounds=2,
    events=2_000,
    bursts=1,
    burst=2_000,
    trickle=200,
    cases=100,
    answers=200,
    logged=100_000,
    messages=3_000,
    sizes=(1_000, 10_000),
)
SMALLEST = Plan(
    rounds=1,
    events=200,
    bursts=1,
    burst=50,
    trickle=20,
    cases=5,
    answers=5,
    logged=2_000,
    messages=100,
    sizes=(50, 100),
)
"""Shows that every part runs, and nothing else."""
PARTS = ("decisions", "ramp", "postgres", "sending", "timeline", "log", "scale", "kafka")
RATE = 50
"""Cases a second while the latency is measured."""


@dataclass(frozen=True)
class Line:
    """A contender as it is run: `share` of the plan's events, in batches of `batch`."""

    who: Contender
    batch: int
    share: float = 1.0

    @property
    def name(self) -> str:
        """As the table shows it."""
        return f"{self.who.name}, batches of {self.batch}" if self.batch > 1 else self.who.name


async def on_one_postgres(plan: Plan) -> None:
    """The handler beside asyncpg by hand and the library."""
    with _postgres() as (_, postgres):
        print(f"\n{await contenders.durability(postgres)}; {os.cpu_count()} cores, shared by client and server")
        print(f"events of 1 KB; median of {plan.rounds} rounds, in which all take turns\n")
        async with AsyncExitStack() as stack:
            ready = await stack.enter_async_context(contenders.by_hand(postgres, ready=True))
            made = await stack.enter_async_context(contenders.by_hand(postgres, ready=False))
            simple = await stack.enter_async_context(contenders.ledger_handler(postgres))
            real = await stack.enter_async_context(contenders.escalation_handler(postgres))
            library = await stack.enter_async_context(contenders.library(postgres))
            lines = [
                Line(ready, 100),
                Line(made, 100),
                *(Line(simple, batch) for batch in (100, 500)),
                *(Line(real, batch, share=0.5) for batch in (100, 500)),
                Line(library, 1, share=0.1),
            ]
            _print_table(lines, await _take_turns(lines, plan))


async def over_kafka(plan: Plan, broker: str) -> None:
    """All four services, from intake.v1 to the audit's timeline."""
    with _postgres() as (folder, postgres):
        async with journey.system(folder, postgres, broker) as system:
            await system.burst(min(500, plan.burst))
            if pause := journey.until_clear(plan.bursts * 10 + plan.trickle / RATE + 5):
                print(f"waiting {pause:.0f} s for the assessment at the quarter of the hour, which is work of its own")
                await asyncio.sleep(pause)
                await _quiet(system)
            bursts = [await system.burst(plan.burst) for _ in range(plan.bursts)]
            _print_burst(sorted(bursts, key=lambda outcome: outcome.rate)[len(bursts) // 2])
            _print_trickle(await system.trickle(plan.trickle, RATE))


def of_decisions(plan: Plan) -> None:
    """One core, nothing but memory: the assessment, and a history replayed."""
    one = decisions.decided(plan.rounds, plan.events // 10)
    print(
        f"\ndecisions on one core: {one.rules} rules of cn, us and house, the graph, {decisions.LEDGER} contacts made;"
    )
    print(f"{one.permitted:.0%} permitted, one in eight a visit: {_verdict(one.rate, 5_000)} decisions/s")
    print(f"  {one.whole:.0f} us each, of which the graph {one.graph:.0f}; the rest are rules, guards and the event")
    many = decisions.replayed(plan.rounds, cases=plan.events // 60, days=30)
    print(f"\n{many.events:,} recorded events replayed on one core, events/s")
    print(f"  folded as they were recorded:           {_verdict(many.folded, 50_000)}")
    print(f"  told to cases that decide anew:         {_verdict(many.told, 50_000)}")
    print(f"  their own decisions, beside that:       {many.assessments:,.0f} looks/s")


def of_the_ramp() -> None:
    """One more first contact, after few and after many."""
    few, many = sorted(found := ramp.measured())
    print("\none more first contact of a day: a tenant's counter read, counted and written")
    print(
        f"{found[few]:.0f} us after {few:,}, {found[many]:.0f} us after {many:,}: {found[many] / found[few]:.2f} of it"
    )


async def of_sending(plan: Plan) -> None:
    """A slow provider, one process and two."""
    with _postgres() as (_, postgres):
        found = await sending.measured(postgres, plan.messages)
    print(f"\n{plan.messages:,} messages to a provider that takes {sending.SECONDS * 1000:.0f} ms for each, messages/s")
    print(f"  one process:                            {_verdict(found.one, 500)}")
    print(f"  two processes:                          {found.two:,.0f}, {_verdict(found.two / found.one, 1.8)} of it")


async def of_a_timeline(plan: Plan) -> None:
    """One case's timeline out of many, from the query to the bytes of the answer, in one process."""
    with _postgres() as (_, postgres):
        found = await timeline.measured(postgres, plan.cases, plan.answers)
    p99 = found.percentile(0.99)
    word = "met" if p99 < 20 else "missed"
    megabytes = found.size / 1e6
    print(f"\ntimeline of a case of {timeline.CASE:,} entries out of {found.entries:,}, {megabytes:.1f} MB of JSON:")
    print(f"p50 {found.percentile(0.5):.1f} ms, p99 {p99:.1f} ms (aim: under 20 ms, {word})")
    print("  of which " + ", ".join(f"{name} {ms:.1f}" for name, ms in found.steps.items()) + " (medians)")


async def of_the_log(plan: Plan) -> None:
    """How it grows with fsync, proves an entry, and is verified as a whole."""
    with _postgres() as (folder, postgres):
        one = await log.grown(postgres, folder, plan.rounds)
        print(f"\nentries of 1 KB into the log, fsync, {BATCH:,} a checkpoint; median of {plan.rounds} rounds")
        print(f"  the database's rows to the checkpoint:  {_verdict(one.kept, 10_000)} entries/s")
        print(f"  one file by hand, hashed, an fsync each {BATCH:,}: {one.by_hand:,.0f}; of that {one.share:.2f}")
        print(f"  the bus to the checkpoint, absorbed:    {one.together:,.0f}")
        two = log.read(folder, plan.logged, plan.answers)
    word = "met" if two.warm.p99 < 1 else "missed"
    print(f"\na log of {plan.logged:,} entries")
    print(f"  inclusion proof:                        {two.warm} (aim: under 1 ms, {word})")
    print(f"  its first one, tiles on the disk alone: {two.cold}")
    print(f"  verified as a whole:                    {_verdict(two.verified, 100_000)} entries/s")
    print(f"  its files read and hashed, no more:     {two.by_hand:,.0f}")


async def of_scale(sizes: Sequence[int]) -> None:
    """The same day with ever more open cases."""
    with _postgres() as (_, postgres):
        found = [await scale.measured(postgres, cases) for cases in sizes]
    print(f"\na day's assessments of all open cases, one process; load of the machine {os.getloadavg()[0]:.0f}\n")
    print(f"{'open cases':58}" + "".join(f"{one.cases:>12,}" for one in found))
    print(f"{'decisions/s':58}" + "".join(f"{one.rate:12,.0f}" for one in found))
    print(f"{'the longest batch, s':58}" + "".join(f"{one.longest:12.2f}" for one in found))
    print(f"{'memory of the process, MB':58}" + "".join(f"{one.memory:12,.0f}" for one in found))
    for name in found[0].readings:
        print(f"{name + ', ms':58}" + "".join(f"{one.readings[name] * 1000:12,.1f}" for one in found))
    slope = log10(found[-1].rate / found[0].rate) / log10(found[-1].cases / found[0].cases) if len(found) > 1 else 0
    print(f"\nten times the cases: {10**slope:.2f} of the decisions/s")


async def _take_turns(lines: Sequence[Line], plan: Plan) -> dict[str, list[float]]:
    for line in lines:
        await line.who.run(500, line.batch)
    rates: dict[str, list[float]] = defaultdict(list)
    for nth in range(plan.rounds):
        shift = nth % len(lines)
        for line in (*lines[shift:], *lines[:shift]):
            count = int(plan.events * line.share)
            rates[line.name].append(count / await line.who.run(count, line.batch))
    return rates


def _print_table(lines: Sequence[Line], rates: dict[str, list[float]]) -> None:
    ready, made, simple, library = lines[0].name, lines[1].name, lines[2].name, lines[-1].name

    def against(name: str, other: str) -> float:
        return median(one / two for one, two in zip(rates[name], rates[other], strict=True))

    print(f"{'':58}{'events/s':>9}{'of by hand':>12}{'of library':>12}")
    for line in lines:
        rate, of_made, of_library = median(rates[line.name]), against(line.name, made), against(line.name, library)
        print(f"{line.name:58}{rate:9,.0f}{of_made:12.2f}{of_library:12.1f}")
    print("\nhandler in batches of 100, of")
    print(f"  the four writes by hand, made from the message: {_verdict(against(simple, made), 0.5)}")
    print(f"  the four writes by hand, values ready:          {_verdict(against(simple, ready), 0.5)}")
    print(f"  the library:                                    {_verdict(against(simple, library), 10)}")


def _print_burst(outcome: Outcome) -> None:
    cases = len(outcome.passages)
    print(f"\n{cases:,} overdue facts of new borrowers at once, intake.v1 to the audit's timeline, Kafka,")
    print(f"four processes: {_verdict(outcome.rate, 500)} cases/s (median of the bursts)")
    _print_cpu(outcome, f"{'CPU per case':16}", lambda seconds: f"{seconds / cases * 1e6:5.0f} us")
    busiest = max((name for name in outcome.cpu if name not in ("kafka", "postgres")), key=lambda n: outcome.cpu[n])
    share = outcome.cpu[busiest] / outcome.seconds
    print(f"busiest service: {busiest}, {share:.0%} of a core; all together {_cores(outcome):.1f} cores")


def _print_trickle(outcome: Outcome) -> None:
    print(f"\n{len(outcome.passages):,} cases, {RATE} a second on average, each on its own (Poisson):")
    p99 = outcome.percentile(0.99)
    word = "met" if p99 <= 500 else "missed"
    print(f"p50 {outcome.percentile(0.5):.0f} ms, p99 {p99:.0f} ms (aim: at most 500 ms, {word})")
    stages: list[tuple[str, Callable[[Passage], float]]] = [
        ("bank's send to escalation's decision", lambda one: one.recorded - one.sent),
        ("to the audit's taking it in (commit, relay, Kafka)", lambda one: one.absorbed - one.recorded),
        ("to being readable (commit)", lambda one: one.seen - one.absorbed),
    ]
    for name, stage in stages:
        p50, p99 = outcome.percentile(0.5, stage), outcome.percentile(0.99, stage)
        print(f"  {name:52} p50 {p50:4.0f} ms  p99 {p99:4.0f} ms")
    _print_cpu(outcome, f"{'CPU':16}", lambda seconds: f"{seconds / outcome.seconds:5.0%}")


def _print_cpu(outcome: Outcome, what: str, shown: Callable[[float], str]) -> None:
    print(what + "  ".join(f"{name} {shown(seconds)}" for name, seconds in outcome.cpu.items()))


def _cores(outcome: Outcome) -> float:
    return sum(outcome.cpu.values()) / outcome.seconds


def _verdict(measured: float, wanted: float) -> str:
    shown = f"{measured:,.0f}" if wanted >= 100 else f"{measured:.2f}" if wanted < 1 else f"{measured:.1f}"
    return f"{shown} (aim: at least {wanted:g}, {'met' if measured >= wanted else 'missed'})"


async def _quiet(system: System) -> None:
    """Until the services have done what the assessment set off: their CPU rests."""
    for _ in range(30):
        before = system.cpu()
        await asyncio.sleep(1)
        after = system.cpu()
        if sum(after[name] - before[name] for name in system.services) < 0.3:
            return


@contextmanager
def _postgres() -> Iterator[tuple[Path, EmbeddedPostgres]]:
    folder = Path(tempfile.mkdtemp(prefix="doorstep-bench-"))
    # The embedded server drops root's rights and must still reach its data.
    folder.chmod(0o755)
    postgres = EmbeddedPostgres(folder / "postgres")
    try:
        yield folder, postgres
    finally:
        postgres.stop_now()
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """All parts; the last one says why where no broker can be had."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="half a minute, rougher figures")
    size.add_argument("--smallest", action="store_true", help="no figures worth reading: whether it runs")
    parser.add_argument(
        "--only",
        choices=PARTS,
        help="one of the parts",
    )
    parser.add_argument("--cases", type=int, nargs="+", help="how many open cases, for scale: 10000 100000 1000000")
    options = parser.parse_args()
    plan, start = SMALLEST if options.smallest else QUICK if options.quick else FULL, time.monotonic()
    warnings.simplefilter("ignore")
    telemetry.configure_logging("ERROR")
    gc_tuning.collect_rarely()
    if options.only in (None, "decisions"):
        of_decisions(plan)
    if options.only in (None, "ramp"):
        of_the_ramp()
    if options.only in (None, "postgres"):
        asyncio.run(on_one_postgres(plan))
    if options.only in (None, "sending"):
        asyncio.run(of_sending(plan))
    if options.only in (None, "timeline"):
        asyncio.run(of_a_timeline(plan))
    if options.only in (None, "log"):
        asyncio.run(of_the_log(plan))
    if options.only in (None, "scale"):
        asyncio.run(of_scale(options.cases or plan.sizes))
    if options.only in (None, "kafka"):
        try:
            with running_broker() as broker:
                asyncio.run(over_kafka(plan, broker))
        except NoBroker as fault:
            print(f"\nnot measured over Kafka: {fault}")
    print(f"\n{time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
