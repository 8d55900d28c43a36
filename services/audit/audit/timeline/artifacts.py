"""What a case was decided and spoken by: the packs, strategies and templates its entries cite, by hash. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import get_args

from doorstep.events.kernel import ArtifactKind
from doorstep.events.registry import Event
from doorstep.events.values import Decision

from audit.store.entry import Entry


def cited(entries: Iterable[Entry]) -> Mapping[ArtifactKind, frozenset[str]]:
    """The hashes that the decisions and messages among `entries` cite, by kind; `views.artifacts` finds what they are
    of."""
    found: dict[ArtifactKind, set[str]] = {kind: set() for kind in get_args(ArtifactKind)}
    for entry in entries:
        for kind, cited_hash in _cited(entry.event):
            found[kind].add(cited_hash)
    return {kind: frozenset(hashes) for kind, hashes in found.items()}


def _cited(event: Event | None) -> Iterator[tuple[ArtifactKind, str]]:
    decision = getattr(event, "decision", None)
    if isinstance(decision, Decision):
        yield from (("contact-rules", pack.hash) for pack in decision.packs)
        if decision.strategy is not None:
            yield "strategy", decision.strategy.hash
    template = getattr(event, "template_hash", None)
    if isinstance(template, str):
        yield "template", template
