"""What must hold in the end, by outside facts alone: the provider's ledger, databases, topics, the log's files."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec
from audit.store import views
from doorstep.events.envelope import Envelope, decode
from doorstep.events.topics import PUBLISHED
from tlog.folder import Folder
from tlog.paths import KEY
from tlog.verifier import VerifierKey
from tlog.verify import verify

from doorstep_faults.faults import Scene, read_topic
from doorstep_faults.provider import Line
from doorstep_faults.rig import Rig

TOLERANCE = 0.25
"""Seconds between a look and its call. What was committed that long before a call must have been seen by it."""
PATIENCE = 60.0
"""Seconds within which a cancellation arrives, through every fault that a run puts in its way."""
NOT_TAKEN = {"doorstep.contact.not-sent", "doorstep.contact.failed", "doorstep.visit.notice-failed"}
TAKEN = {"doorstep.contact.sent", "doorstep.visit.noticed"}
UNKNOWN = "doorstep.contact.unknown"
STARTED = {"doorstep.contact.started": "", "doorstep.visit.notice-started": "-notice"}
"""The intent to send, and what its key has beside the permit's id."""


@dataclass(frozen=True)
class Verdict:
    """What was checked, of how many, and what is wrong with which."""

    promise: str
    checked: int
    wrong: Sequence[str]


async def check(scene: Scene) -> list[Verdict]:
    """Every promise, once everything is quiet."""
    rig = scene.rig
    lines = rig.provider.lines()
    events = {service: await _events(rig, service) for service in rig.databases}
    said = [one for some in events.values() for one in some]
    return [
        _once(lines),
        _outcomes(lines, said),
        _facts(scene, events["escalation"]),
        _stops(scene, lines, events["escalation"]),
        await _withdrawals(rig, lines),
        await _streams(rig),
        await _topics(rig, said),
        await _audit(rig, [one for service in rig.databases if service != "audit" for one in events[service]]),
        await _cancelled(rig, lines),
        await _log(rig),
        Verdict("the log's checkpoint never goes back", rig.watch.looks, rig.watch.back),
        await _nothing_left(scene),
    ]


def _once(lines: Sequence[Line]) -> Verdict:
    taken = Counter(line.key for line in lines if line.taken)
    return Verdict("no message is sent twice", len(taken), [f"{key}: {n} times" for key, n in taken.items() if n > 1])


def _outcomes(lines: Sequence[Line], said: Sequence[Envelope]) -> Verdict:
    """Each intent has one end, which says what the ledger says; nobody knows of some, and they are never sent again."""
    taken = {line.key for line in lines if line.taken}
    ends: dict[str, list[Envelope]] = defaultdict(list)
    for one in said:
        if one.type in NOT_TAKEN | TAKEN | {UNKNOWN}:
            ends[one.stream].append(one)
    wrong = []
    started = [one for one in said if one.type in STARTED]
    for one in started:
        key = one.stream.partition("/")[2] + STARTED[one.type]
        kinds = [end.type for end in ends[one.stream]]
        unknown = kinds == [UNKNOWN] or (len(kinds) == 1 and b'"unknown":true' in bytes(ends[one.stream][0].data))
        if len(kinds) != 1:
            wrong.append(f"{one.stream}: started, and ended {len(kinds)} times")
        elif not unknown and (kinds[0] in TAKEN) != (key in taken):
            wrong.append(f"{one.stream}: {kinds[0]}, and the provider {'took' if key in taken else 'has not got'} it")
    return Verdict("each intent has one end, and it is true", len(started), wrong)


def _facts(scene: Scene, said: Sequence[Envelope]) -> Verdict:
    recorded = Counter(
        (one.tenant, data["loan_id"], data.get("business_date") or data.get("paid_on"), "paid_on" in data)
        for one in said
        if one.type.startswith("doorstep.loan.") and "loan_id" in (data := msgspec.json.decode(one.data))
    )
    wrong = []
    for (tenant, fact_id), message in scene.bank.told.items():
        fact: dict[str, Any] = msgspec.json.decode(message.value)["data"]
        name = (tenant, fact["loan_id"], fact.get("business_date") or fact.get("paid_on"), "paid_on" in fact)
        if recorded[name] != 1:
            wrong.append(f"{tenant} {fact_id}: recorded {recorded[name]} times")
    return Verdict("every fact of the bank is recorded once, each tenant's for itself", len(scene.bank.told), wrong)


def _stops(scene: Scene, lines: Sequence[Line], said: Sequence[Envelope]) -> Verdict:
    tenants = {one.subject: one.tenant for one in said}
    wrong = [
        f"{line.key}: called {line.called_at - known:.2f} s after the stop"
        for tenant, known, until in scene.stops
        for line in lines
        if tenants.get(line.case_id) == tenant and known + TOLERANCE < line.called_at < until and line.taken
    ]
    return Verdict("nothing is sent after a tenant's stop", len(scene.stops), wrong)


async def _withdrawals(rig: Rig, lines: Sequence[Line]) -> Verdict:
    committed = {
        row[0].partition("/")[2]: float(row[1])
        for row in await rig.rows(
            "reminder",
            "select stream, extract(epoch from pg_xact_commit_timestamp(xmin)) from events"
            " where type = 'doorstep.contact.withdrawn'",
        )
    }
    wrong = [
        f"{line.key}: called {line.called_at - committed[line.key]:.2f} s after it was withdrawn"
        for line in lines
        if line.taken and line.key in committed and line.called_at > committed[line.key] + TOLERANCE
    ]
    return Verdict("nothing is sent after its withdrawal", len(committed), wrong)


async def _cancelled(rig: Rig, lines: Sequence[Line]) -> Verdict:
    """What escalation cancelled must have reached reminder within PATIENCE, whatever stood in the way."""
    rows = await rig.rows("escalation", _CANCELLED)
    committed = {permit_id: float(at) for permit_id, at in rows}
    wrong = [
        f"{line.key}: called {line.called_at - committed[line.key]:.0f} s after its permit was cancelled"
        for line in lines
        if line.taken and line.key in committed and line.called_at > committed[line.key] + PATIENCE
    ]
    return Verdict(f"no permit is used {PATIENCE:.0f} s after it was cancelled", len(committed), wrong)


async def _streams(rig: Rig) -> Verdict:
    checked, wrong = 0, []
    for service in rig.databases:
        ((count,),) = await rig.rows(service, "select count(*) from streams")
        checked += count
        wrong += [f"{service} {stream}" for (stream,) in await rig.rows(service, _GAPS)]
    return Verdict("every stream counts from 1 without a gap", checked, wrong)


async def _topics(rig: Rig, said: Sequence[Envelope]) -> Verdict:
    published: set[str] = set()
    wrong: list[str] = []
    for topic in PUBLISHED:
        last: dict[str, int] = defaultdict(int)
        for one in readable([value for _, value in await read_topic(rig, topic)]):
            if one.id in published:
                continue
            published.add(one.id)
            if one.streamversion < last[one.stream]:
                wrong.append(f"{one.stream}: {one.streamversion} comes after {last[one.stream]}")
            last[one.stream] = one.streamversion
    wrong += [f"{one.stream} {one.streamversion} was never published" for one in said if one.id not in published]
    return Verdict("every event is published, each stream's in its order", len(said), wrong)


async def _audit(rig: Rig, said: Sequence[Envelope]) -> Verdict:
    values = [bytes(value) for (value,) in await rig.rows("audit", "select value from entry")]
    kept = {one.id for one in readable(values)}
    missing = [f"{one.stream} {one.streamversion}" for one in said if one.id not in kept]
    return Verdict("the audit has every event of the others", len(said), missing)


async def _log(rig: Rig) -> Verdict:
    log = Folder(rig.log_folder)
    size = verify(log, VerifierKey.parse((rig.log_folder / KEY).read_text())).checkpoint.size
    async with rig.databases["audit"].connect() as connection:
        rows = [row.entry for row in await views.logged(connection, 0, size)]
    ((entries,),) = await rig.rows("audit", "select count(*) from entry")
    wrong = [] if len(rows) == size == entries else [f"{entries} entries, {size} in the log, {len(rows)} logged"]
    return Verdict("the log is whole, and has every entry", size, wrong)


async def _nothing_left(scene: Scene) -> Verdict:
    wrong, checked = [], 0
    for service in scene.rig.databases:
        for (key,) in await scene.rig.rows(service, "select key from parked"):
            checked += 1
            if not any(key.endswith(one) for one in scene.marked):
                wrong.append(f"{service} parked {key}")
        ((outbox, effects),) = await scene.rig.rows(service, _LEFT)
        wrong += [f"{service}: {outbox} rows unpublished"] if outbox else []
        wrong += [f"{service}: {effects} effects not done"] if effects else []
    return Verdict("nothing is parked but what was rubbish, and nothing is left over", checked, wrong)


def readable(values: Sequence[bytes]) -> list[Envelope]:
    """Those that are events; the others are rubbish of ours."""
    events = []
    for value in values:
        with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            events.append(decode(value))
    return events


async def _events(rig: Rig, service: str) -> list[Envelope]:
    return [decode(bytes(value)) for (value,) in await rig.rows(service, "select value from events")]


_CANCELLED = """select convert_from(value, 'utf8')::json -> 'data' ->> 'permit_id',
    extract(epoch from pg_xact_commit_timestamp(xmin)) from events where type = 'doorstep.permit.cancelled'"""
_GAPS = """select stream from events group by stream
    having min(version) <> 1 or max(version) <> count(*) or count(distinct version) <> count(*)"""
_LEFT = """select (select count(*) from outbox), (select count(*) from effects where done_at is null
    and not exists (select from suspended s where s.case_id = effects.key))"""
