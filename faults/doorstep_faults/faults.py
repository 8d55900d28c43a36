"""The kinds of faults. Each does its harm, and answers with what shows from outside that it hit."""

import asyncio
import random
import resource
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psutil  # type: ignore[import-untyped]
from aiokafka import AIOKafkaConsumer, TopicPartition
from doorstep.bus.interface import Outgoing
from doorstep.events.topics import INTAKE

from doorstep_faults.provider import PLANS
from doorstep_faults.proxy import DIRECTIONS, Direction
from doorstep_faults.rig import INSTANCES, SERVICES, TENANTS, Bank, Rig
from tests.support.bank import HOME, MONDAY
from tests.support.cluster import NEVER, PARTITIONS, second

WITHIN = 20.0
"""Seconds in which a fault must show that it hit."""
HUGE = 7 * 1024 * 1024
STEPS_TO_A_WAVE = 10
WAVE = 16
"""Messages of a wave that takes a while: more than the processes may call at once."""
STEPS = {
    "escalation": ("handle.after-inbox", "handle.before-commit", "store.after-events", "relay.before-delete"),
    "reminder": ("effects.before-call", "effects.after-call", "effects.before-done", "handle.after-commit"),
    "visit-scheduler": ("handle.before-commit", "store.after-write", "relay.before-send", "consumer.before-offset"),
    "audit": ("handle.before-commit", "log.before-rename", "log.after-tiles", "log.before-commit"),
}


class Missed(Exception):
    """Nothing shows that the fault hit."""


@dataclass
class Scene:
    """Where faults happen. `marked` are the keys of messages that are meant to be parked."""

    rig: Rig
    bank: Bank
    random: random.Random
    marked: set[str]
    stops: list[tuple[str, float, float]]
    """Tenant, from when its stop was known to reminder for certain, and until when it was not taken back."""


Fault = Callable[[Scene], Awaitable[str]]


async def kill(scene: Scene) -> str:
    """kill -9 of any process."""
    instance = await _any_alive(scene)
    pid = scene.rig.pid(instance)
    scene.rig.kill(instance)
    await scene.rig.revive()
    return f"{instance}, process {pid} ended by signal 9"


async def kill_at_a_step(scene: Scene) -> str:
    """kill -9 of a process at a named step, while it has work in hand."""
    service = scene.random.choice(SERVICES)
    step = scene.random.choice(STEPS[service])
    instance = await _any_alive(scene, (service,))
    scene.rig.arm(instance, step)
    other = second(service)
    scene.rig.pause(other)
    try:
        await _work(scene)
        await _until(lambda: scene.rig.exit_code(instance) is not None, f"{service} did not reach {step}")
    finally:
        scene.rig.go_on(other)
    await scene.rig.revive()
    return f"{instance} ended by signal 9 at {step}"


async def stand_still(scene: Scene) -> str:
    """SIGSTOP, and SIGCONT seconds later: longer than a claim on a call lasts, or shorter."""
    instance = await _any_alive(scene)
    seconds = scene.random.choice((0.5, 1.5, 4.0))
    scene.rig.pause(instance)
    process = psutil.Process(scene.rig.pid(instance))
    await _until(lambda: process.status() == psutil.STATUS_STOPPED, f"{instance} goes on")
    await _work(scene)
    await asyncio.sleep(seconds)
    scene.rig.go_on(instance)
    return f"{instance} stood still for {seconds} s"


async def cut_connections(scene: Scene) -> str:
    """All connections of a service to PostgreSQL are ended at once."""
    service = scene.random.choice(SERVICES)
    await _work(scene)
    ended = await scene.rig.rows(service, _CONNECTIONS)
    if not ended:
        raise Missed(f"{service} had no connection")
    return f"{len(ended)} connections of {service} ended"


async def cut_a_lock(scene: Scene) -> str:
    """The connection that holds a leader's lock is ended."""
    service = scene.random.choice(SERVICES)
    await _work(scene)
    ended = await scene.rig.rows(service, _LEADERS)
    if not ended:
        raise Missed(f"nobody leads in {service}")
    return f"{service}: the connections that led {', '.join(sorted(role for role, _ in ended))} ended"


async def cut_the_wire(scene: Scene) -> str:
    """Every connection of the first processes to PostgreSQL breaks in the middle."""
    await _work(scene)
    cut = scene.rig.connection.cut()
    if not cut:
        raise Missed("no connection ran through the proxy")
    return f"{cut} connections broken"


async def one_way(scene: Scene) -> str:
    """Nothing comes through to PostgreSQL, or nothing back from it, and nobody is told; then the connections break."""
    direction: Direction = scene.random.choice(DIRECTIONS)
    scene.rig.connection.deafen(direction)
    await _work(scene)
    await asyncio.sleep(scene.random.choice((0.5, 2.0)))
    swallowed = scene.rig.connection.hear(direction)
    if not swallowed:
        raise Missed("nothing was sent meanwhile")
    return f"{swallowed} bytes lost on the way {direction}"


async def provider_away(scene: Scene) -> str:
    """What the provider answers is lost on the way, and then the connections break, calls in flight among them."""
    proxy = scene.rig.provider.proxy
    proxy.deafen("back")
    try:
        await _wave(scene)
        await asyncio.sleep(0.5)
    finally:
        swallowed = proxy.hear("back")
    if not swallowed:
        raise Missed("it had nothing to answer")
    return f"{swallowed} bytes of answers lost"


async def provider_misbehaves(scene: Scene) -> str:
    """It is slow, takes nothing, refuses, loses its answer, hangs after it accepted, or accepts late; and cannot always
    be asked."""
    plans = [scene.random.choice(PLANS) for _ in range(4)]
    before = len(scene.rig.provider.lines())
    await scene.rig.provider.plan(send=plans, find=scene.random.choices(("ok", "unavailable", "lost"), k=2))
    await _wave(scene)
    wanted = set(plans)
    await _until(
        lambda: wanted <= {line.plan for line in scene.rig.provider.lines()[before:]},
        f"not all of {wanted} came to pass",
    )
    return ", ".join(plans)


async def postgres_restarts(scene: Scene) -> str:
    """PostgreSQL ends without a checkpoint and starts again."""
    await _work(scene)
    before = (await scene.rig.rows("audit", _STARTED))[0][0]
    await asyncio.to_thread(scene.rig.postgres.stop_immediately)
    await asyncio.sleep(scene.random.choice((0.0, 1.0)))
    await asyncio.to_thread(scene.rig.postgres.start)
    for engine in scene.rig.databases.values():
        await engine.dispose()
    after = (await scene.rig.rows("audit", _STARTED))[0][0]
    if after == before:
        raise Missed("the same server runs")
    return f"a server that started at {before:%H:%M:%S} is another's now"


async def kafka_restarts(scene: Scene) -> str:
    """kill -9 of the broker, and a start."""
    await _work(scene)
    before = scene.rig.broker.pid
    await asyncio.to_thread(scene.rig.broker.kill)
    await asyncio.sleep(scene.random.choice((0.0, 2.0)))
    await asyncio.to_thread(scene.rig.broker.start)
    return f"broker {before} became {scene.rig.broker.pid}"


async def repeated(scene: Scene) -> str:
    """Messages of any topic come again, old ones among them, and out of their order."""
    topic = scene.random.choice([INTAKE, "doorstep.escalation.v1", "doorstep.reminder.v1"])
    said = await read_topic(scene.rig, topic)
    if not said:
        raise Missed(f"{topic} is empty")
    again = scene.random.choices(said, k=20)
    await scene.rig.publish([Outgoing(topic, key, value) for key, value in again])
    return f"{len(again)} messages of {topic} repeated in another order"


async def held_up(scene: Scene) -> str:
    """A fact comes days late, after younger ones of the same loan."""
    tenant, number = scene.random.choice(TENANTS), scene.random.randrange(30)
    await scene.bank.overdue(tenant, number, max(_day(scene) - 3, 0))
    return f"a fact of three days ago for {tenant}"


async def rubbish(scene: Scene) -> str:
    """A message that nobody can read: not JSON, nested too deep, without what it must have, not UTF-8, with NUL."""
    key = f"rubbish-{uuid.UUID(int=scene.random.getrandbits(128))}"
    topic = scene.random.choice((INTAKE, "doorstep.escalation.v1"))
    value = scene.random.choice((b"{", b"[" * 5000, b"{}", b"\xff\xfe", b'{"id": "\x00"}'))
    scene.marked.add(key)
    await scene.rig.publish([Outgoing(topic, key, value)])
    reader = "escalation" if topic == INTAKE else "reminder"
    await _until_rows(scene, reader, "select 1 from parked where key like '%' || :key", key)
    return f"{len(value)} bytes of rubbish parked by {reader}"


async def huge(scene: Scene) -> str:
    """A fact of seven megabytes."""
    key = f"huge-{uuid.UUID(int=scene.random.getrandbits(128))}"
    scene.marked.add(key)
    value = b'{"specversion":"1.0","id":"' + key.encode() + b'","pad":"' + b"x" * HUGE + b'"}'
    await scene.rig.publish([Outgoing(INTAKE, key, value)])
    await _until_rows(scene, "escalation", "select 1 from parked where key like '%' || :key", key)
    return f"{len(value)} bytes parked"


async def clock_jumps(scene: Scene) -> str:
    """The clock of all services jumps hours ahead, while they work."""
    await _wave(scene)
    hours = scene.random.choice((0.3, 1.0, 3.0))
    to = scene.rig.clock.now() + timedelta(hours=hours)
    scene.rig.clock.jump(to)
    return f"{hours} hours ahead"


async def rebalance(scene: Scene) -> str:
    """A process leaves its group and comes back, so that the others take over its partitions, twice."""
    service = scene.random.choice(SERVICES)
    instance = second(service)
    if scene.rig.exit_code(instance) is not None:
        await scene.rig.revive()
    psutil.Process(scene.rig.pid(instance)).terminate()
    await _until(lambda: scene.rig.exit_code(instance) is not None, f"{instance} did not end on SIGTERM")
    await _work(scene)
    await scene.rig.revive()
    return f"{instance} left {service}'s group and came back"


async def disk_full(scene: Scene) -> str:
    """The processes of the audit can write no file: the log stands still, and goes on afterwards."""
    processes = [
        psutil.Process(scene.rig.pid(one)) for one in ("audit", second("audit")) if not scene.rig.exit_code(one)
    ]
    before = [process.rlimit(psutil.RLIMIT_FSIZE) for process in processes]
    for process in processes:
        process.rlimit(psutil.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    try:
        await _work(scene)
        await asyncio.sleep(1.5)
    finally:
        for process, limits in zip(processes, before, strict=True):
            if process.is_running():
                process.rlimit(psutil.RLIMIT_FSIZE, limits)
    return f"{len(processes)} processes could write nothing for 1.5 s"


async def paid_in_a_wave(scene: Scene) -> str:
    """Borrowers pay while messages to them leave, one after the other, through a slow provider."""
    await scene.rig.provider.plan(send=["slow"] * WAVE)
    numbers = await _wave(scene, WAVE)
    for tenant, number in numbers:
        await scene.bank.paid(tenant, number, _day(scene))
    await _until_rows(scene, "reminder", "select 1 from events where type = :key", "doorstep.contact.withdrawn")
    ((stopped,),) = await scene.rig.rows("reminder", _WITHDRAWN)
    return f"{len(numbers)} paid; {stopped} messages were withdrawn so far"


async def kill_switch(scene: Scene) -> str:
    """A tenant stops all sending in the middle of a wave, and allows it again."""
    tenant = scene.random.choice(TENANTS)
    body = {"reason": "a test of the stop"}
    await _wave(scene)
    await scene.rig.call("escalation", "POST", f"/tenants/{tenant}/stop", "operator", json=body)
    await _until_rows(scene, "reminder", "select 1 from stopped where tenant = :key", tenant)
    known = time.time()
    await asyncio.sleep(1.0)
    until = time.time()
    scene.stops.append((tenant, known, until))
    await scene.rig.call("escalation", "POST", f"/tenants/{tenant}/allow", "compliance", json=body)
    return f"{tenant} was stopped for {until - known:.1f} s"


FAULTS: dict[str, Fault] = {
    "kill": kill,
    "kill at a step": kill_at_a_step,
    "stand still": stand_still,
    "cut connections": cut_connections,
    "cut a lock": cut_a_lock,
    "cut the wire": cut_the_wire,
    "one way": one_way,
    "provider away": provider_away,
    "provider misbehaves": provider_misbehaves,
    "postgres restarts": postgres_restarts,
    "kafka restarts": kafka_restarts,
    "repeated": repeated,
    "held up": held_up,
    "rubbish": rubbish,
    "huge": huge,
    "clock jumps": clock_jumps,
    "rebalance": rebalance,
    "disk full": disk_full,
    "paid in a wave": paid_in_a_wave,
    "kill switch": kill_switch,
}


async def _any_alive(scene: Scene, services: tuple[str, ...] = SERVICES) -> str:
    await scene.rig.revive()
    return scene.random.choice([one for one in INSTANCES if services == SERVICES or one in services])


async def _work(scene: Scene) -> None:
    """Facts, so that something is in hand."""
    day = _day(scene)
    for tenant in TENANTS:
        for _ in range(3):
            await scene.bank.overdue(tenant, scene.random.randrange(30), day)


async def _wave(scene: Scene, size: int = 6) -> list[tuple[str, int]]:
    """New borrowers, and the next instant at which messages leave, so that calls are in flight; who they are."""
    fresh = [(tenant, len(scene.bank.told) + 100 + nth) for tenant in TENANTS for nth in range(size // len(TENANTS))]
    for tenant, number in fresh:
        await scene.bank.overdue(tenant, number, _day(scene))
    before = len(scene.rig.provider.lines())
    for _ in range(STEPS_TO_A_WAVE):
        look = await scene.rig.quiet()
        if look.next_due == NEVER:
            break
        scene.rig.clock.jump(max(look.next_due, scene.rig.clock.now()))
        deadline = time.monotonic() + 1.5
        while time.monotonic() < deadline:
            if len(scene.rig.provider.lines()) > before:
                return fresh
            await asyncio.sleep(0.05)
    raise Missed(f"no message went out within {STEPS_TO_A_WAVE} instants")


def _day(scene: Scene) -> int:
    return scene.rig.clock.now().astimezone(HOME).date().toordinal() - MONDAY.toordinal()


async def read_topic(rig: Rig, topic: str) -> list[tuple[str, bytes]]:
    """Key and value of everything on a topic, each key's in order."""
    consumer = AIOKafkaConsumer(bootstrap_servers=rig.broker.address, enable_auto_commit=False, group_id=None)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends: dict[Any, int] = await consumer.end_offsets(partitions)
        got: list[tuple[str, bytes]] = []
        while any([await consumer.position(one) < end for one, end in ends.items()]):
            batch = await consumer.getmany(timeout_ms=1000)
            got += [
                ((record.key or b"").decode(errors="replace"), record.value or b"")
                for records in batch.values()
                for record in records
            ]
        return got
    finally:
        await consumer.stop()


async def _until(true: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + WITHIN
    while not true():
        if time.monotonic() > deadline:
            raise Missed(otherwise)
        await asyncio.sleep(0.1)


async def _until_rows(scene: Scene, service: str, sql: str, key: str) -> None:
    deadline = time.monotonic() + WITHIN
    while True:
        await scene.rig.revive()
        try:
            if await scene.rig.rows(service, sql, key=key):
                return
        except Exception:
            await asyncio.sleep(0.1)
        if time.monotonic() > deadline:
            raise Missed(f"{service} has not got what was meant for it within {WITHIN:.0f} s")
        await asyncio.sleep(0.1)


_WITHDRAWN = "select count(*) from events where type = 'doorstep.contact.withdrawn'"
_CONNECTIONS = """select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and application_name like 'doorstep %'"""
_LEADERS = "select role, pg_terminate_backend(h.pid) from heartbeat h join pg_stat_activity a using (pid)"
_STARTED = "select pg_postmaster_start_time()"
