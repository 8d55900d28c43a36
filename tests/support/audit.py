"""Words for tests: a case being told, event by event, as the services would write it."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import httpx
import msgspec
from audit.store.entry import Entry, read_envelope, read_event
from doorstep.bus.interface import Partition, Record
from doorstep.events.envelope import Actor, Envelope, encode, event_id
from doorstep.events.registry import Event
from doorstep.events.topics import AUDIT
from doorstep.events.values import Decision, Inputs, Money, PackRef, Sealed, Verdict, Windows
from doorstep.infra.access import Access, Issuer, Role
from doorstep.kernel import http
from doorstep.kernel.decider import SYSTEM
from doorstep.kernel.runtime import Running

START = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
HIDDEN = Sealed(key_id="case-1", commitment=b"?", box=b"?")


class Story:
    """Tells events of one case. Each gets the next place in its stream; the entries keep that order."""

    def __init__(self, case_id: str = "case-1", tenant: str = "demo-bank") -> None:
        self.case_id = case_id
        self.tenant = tenant
        self.entries: list[Entry] = []
        self._versions: Counter[str] = Counter()

    def tell(
        self,
        event: Event,
        at: datetime,
        *,
        stream: str | None = None,
        cause: Entry | None = None,
        occurred: datetime | None = None,
        actor: Actor = SYSTEM,
    ) -> Entry:
        """`event`, recorded at `at`, as an entry that was absorbed a second later."""
        stream = stream or f"case/{self.case_id}"
        self._versions[stream] += 1
        version = self._versions[stream]
        envelope = Envelope(
            id=event_id("story", f"{self.tenant}/{stream}", version),
            source="doorstep/story",
            type=event.event_type,
            subject=self.case_id,
            time=occurred or at,
            recordedat=at,
            tenant=self.tenant,
            stream=stream,
            streamversion=version,
            partitionkey=self.case_id,
            correlationid=f"{self.case_id}-1",
            schemaversion=event.schema_version,
            data=msgspec.Raw(msgspec.json.encode(event)),
            actor=actor,
            causationid=cause.envelope.id if cause else None,
        )
        return self.keep(encode(envelope), at + timedelta(seconds=1), event.topic or AUDIT)

    def keep(self, value: bytes, absorbed_at: datetime, topic: str = AUDIT) -> Entry:
        """Any decodable value, at the end."""
        envelope = read_envelope(value)
        assert envelope is not None
        place = len(self.entries) + 1
        entry = Entry(place, topic, 0, place, absorbed_at, value, envelope, read_event(envelope))
        self.entries.append(entry)
        return entry


def record(entry: Entry) -> Record:
    """`entry` as the bus would bring it."""
    return Record(Partition(entry.topic, entry.partition), entry.offset, entry.envelope.subject, entry.value)


def records(entries: Sequence[Entry]) -> Sequence[Record]:
    """Each as the bus would bring it."""
    return [record(entry) for entry in entries]


def decision(*verdicts: Verdict, earliest_next: datetime | None = None) -> Decision:
    """A decision 31 days past due, with the given verdicts."""
    return Decision(
        decision_id="decision-1",
        step="sms-reminder",
        packs=(PackRef("cn", "2026.1", "c0ffee" * 8),),
        inputs=Inputs(
            dpd=31,
            bucket="31-60",
            amount_overdue=Money(Decimal("1520.50"), "CNY"),
            business_date=date(2026, 3, 1),
            local_time=datetime(2026, 3, 2, 22, 10, tzinfo=UTC),
            episode=1,
            contacts_today=2,
            unanswered=1,
            willingness=40,
        ),
        verdicts=verdicts,
        earliest_next=earliest_next,
    )


def example(hint: Any) -> Any:
    """Some value of the type `hint`; every optional part is there."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in _EXAMPLES:
        return _EXAMPLES[hint]
    if origin is Literal:
        return arguments[0]
    if origin in (Union, UnionType):
        return example(next(one for one in arguments if one is not type(None)))
    if origin is tuple:
        return (example(arguments[0]),)
    return hint(**{name: example(of) for name, of in get_type_hints(hint).items() if name in hint.__struct_fields__})


_EXAMPLES: dict[Any, Any] = {
    str: "some-text",
    int: 7,
    bool: True,
    bytes: b"bytes",
    date: date(2026, 3, 9),
    time: time(9),
    datetime: datetime(2026, 3, 9, 2, 30, tzinfo=UTC),
    Decimal: Decimal("800.00"),
    Money: Money(Decimal("1520.50"), "CNY"),
    Sealed: HIDDEN,
    Windows: Windows(opens=time(9), closes=time(20), time_zone="Asia/Shanghai"),
    Decision: decision(
        Verdict(
            rule="cn.quiet-hours",
            allowed=False,
            status="must",
            source="source",
            confidence="high",
            detail="22:10 local; quiet from 22:00 to 08:00",
            detail_zh="当地时间 22:10；22:00 至次日 08:00 不得联系",
        ),
        earliest_next=datetime(2026, 3, 3, 0, 0, tzinfo=UTC),
    ),
}


class Browser:
    """Asks the audit in a role."""

    def __init__(self, running: Running, issuer: Issuer) -> None:
        self._issuer = issuer
        transport = httpx.ASGITransport(http.build([running], Access(issuer.public_key), drive=False))
        self._client = httpx.AsyncClient(transport=transport, base_url="http://audit.test")

    async def get(self, path: str, role: Role | None = "viewer", language: str = "") -> httpx.Response:
        """GET as someone in `role`; as nobody without one."""
        return await self._client.get(path, headers=self._bearer(role) | {"accept-language": language})

    async def post(self, path: str, role: Role | None, **form: str) -> httpx.Response:
        """POST a form."""
        return await self._client.post(path, headers=self._bearer(role), data=form)

    async def send(self, path: str, role: Role | None, **body: Any) -> httpx.Response:
        """POST JSON."""
        return await self._client.post(path, headers=self._bearer(role), json=body)

    def _bearer(self, role: Role | None) -> dict[str, str]:
        if role is None:
            return {}
        return {"authorization": f"Bearer {self._issuer.token('wang.li', role, datetime.now(UTC))}"}


def with_cryptography_alone(packages: Path) -> None:
    """Fills a folder with what the verifier of evidence needs beside Python: `cryptography`, and what that needs."""
    packages.mkdir()
    for name in ("cryptography", "cffi", "pycparser", "_cffi_backend"):
        if (spec := find_spec(name)) and spec.origin:
            source = Path(spec.origin).parent if spec.submodule_search_locations else Path(spec.origin)
            (packages / source.name).symlink_to(source)
