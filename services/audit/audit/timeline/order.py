"""The causal order of a case's entries. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import pairwise

from audit.store.entry import Entry


def causal_order(entries: Iterable[Entry]) -> Sequence[Entry]:
    """By the time they were recorded; but whatever the clocks say, an event comes after its cause and
    after the earlier ones of its stream. Where all that is equal, by stream and version."""
    ranked = sorted(entries, key=_rank)
    before = _predecessors(ranked)
    if all(earlier < later for later, awaited in enumerate(before) for earlier in awaited):
        return ranked
    placed: dict[int, Entry] = {}
    entered: set[int] = set()
    for start in range(len(ranked)):
        stack = [start]
        while stack:
            at = stack[-1]
            entered.add(at)
            if awaited := [earlier for earlier in before[at] if earlier not in entered]:
                stack.extend(awaited)
            else:
                placed.setdefault(stack.pop(), ranked[at])
    return list(placed.values())


def _rank(entry: Entry) -> tuple[datetime, str, int, str, bytes]:
    envelope = entry.envelope
    return (envelope.recordedat, envelope.stream, envelope.streamversion, envelope.id, entry.value)


def _predecessors(ranked: Sequence[Entry]) -> Sequence[Sequence[int]]:
    by_id = {entry.envelope.id: index for index, entry in enumerate(ranked)}
    streams: dict[str, list[int]] = defaultdict(list)
    for index, entry in enumerate(ranked):
        streams[entry.envelope.stream].append(index)
    before: list[list[int]] = [[] for _ in ranked]
    versions = [entry.envelope.streamversion for entry in ranked]
    for members in streams.values():
        members.sort(key=versions.__getitem__)
        for earlier, later in pairwise(members):
            before[later].append(earlier)
    for index, entry in enumerate(ranked):
        cause = by_id.get(entry.envelope.causationid or "")
        if cause is not None:
            before[index].append(cause)
    return before
