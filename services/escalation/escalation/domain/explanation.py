"""A decision, as a person would say it.

Everything is taken from the event: what it was made from, what each rule said then, which packs and which graph. So it
reads the same years later, whatever is in force by then.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from doorstep.events.envelope import Envelope
from doorstep.events.escalation.permits import ContactDenied, ContactPermitted, VisitPermitted
from doorstep.events.registry import decode_event
from doorstep.events.values import Decision, Inputs, Language, Verdict
from doorstep.locales.text import LOCALES, Locale

from escalation.domain.case.lifecycle import Decided


def explain(envelope: Envelope, language: Language) -> str:
    """The decision that `envelope` holds, in lines. Raises ValueError when it holds none."""
    event = decode_event(envelope)
    if not isinstance(event, Decided):
        raise ValueError(f"{envelope.type} is no decision; decisions are contacts and visits, permitted or denied")
    return "\n".join(_lines(envelope, event, LOCALES[language]))


def clock(at: datetime) -> str:
    """To the minute, with its offset from UTC, which names no country: `2026-03-01 08:00 UTC+8`."""
    sign, hours, minutes = f"{at:%z}"[0], int(f"{at:%z}"[1:3]), f"{at:%z}"[3:5]
    ahead = "" if hours == 0 and minutes == "00" else f"{sign}{hours}" + ("" if minutes == "00" else f":{minutes}")
    return f"{at:%Y-%m-%d %H:%M} UTC{ahead}"


def _say(locale: Locale, name: str, **fields: object) -> str:
    return locale.text("decision", name, **fields)


def _lines(envelope: Envelope, event: Decided, locale: Locale) -> Iterator[str]:
    decision = event.decision
    yield _say(locale, "title", decision_id=decision.decision_id)
    at = clock(decision.inputs.local_time)
    yield _say(locale, "case", case_id=envelope.subject, tenant=envelope.tenant, at=at)
    yield from ("", *_conclusion(event, locale))
    yield from ("", _say(locale, "known"), _say(locale, "facts", facts=locale.clauses(_known(decision.inputs, locale))))
    yield from ("", _say(locale, "wanted"), *_wanted(decision, locale))
    yield from _ruled(decision.verdicts, locale)
    yield from ("", _say(locale, "made_by"), *_made_by(decision, locale))


def _conclusion(event: Decided, locale: Locale) -> Iterator[str]:
    way = event.channel if isinstance(event, ContactPermitted | ContactDenied) else "visit"
    act = locale.word(way, "acts")
    if isinstance(event, ContactPermitted):
        act = _say(locale, "for", act=act, purpose=locale.word(event.purpose))
    if isinstance(event, ContactPermitted | VisitPermitted):
        yield _say(locale, "permitted", act=act)
        yield from _terms(event, locale)
        return
    yield _say(locale, "denied", act=act)
    if event.decision.earliest_next is None:
        yield _say(locale, "never")
    else:
        zone = event.decision.inputs.local_time.tzinfo
        yield _say(locale, "again", at=clock(event.decision.earliest_next.astimezone(zone)))


def _terms(event: ContactPermitted | VisitPermitted, locale: Locale) -> Iterator[str]:
    hours = event.windows
    yield _say(
        locale,
        "window_all_day" if hours.opens == hours.closes else "window",
        opens=f"{hours.opens:%H:%M}",
        closes=f"{hours.closes:%H:%M}",
        time_zone=hours.time_zone,
        until=clock(event.valid_until.astimezone(event.decision.inputs.local_time.tzinfo)),
    )
    if isinstance(event, VisitPermitted):
        yield _say(locale, "staff", staff=event.minimum_staff, hours=event.notice_hours)
        if event.duties:
            yield _say(locale, "duties", duties=_words(event.duties, locale))


def _known(inputs: Inputs, locale: Locale) -> Iterator[str]:
    yield _say(locale, "dpd", count=inputs.dpd, bucket=inputs.bucket)
    yield _say(locale, "amount", amount=inputs.amount_overdue.text(locale.language))
    yield _say(locale, "facts_age", count=inputs.facts_age, since=inputs.business_date)
    for name in ("episode", "contacts_today", "unanswered"):
        yield _say(locale, name, **{name: getattr(inputs, name)})
    extra = {
        "other_amounts": locale.listed(money.text(locale.language) for money in inputs.other_amounts),
        "products": locale.listed(inputs.products),
        "segment": inputs.segment,
        "holds": _words(inputs.holds, locale),
        "consents": _words(inputs.consents, locale),
        "countries": locale.listed(inputs.countries),
    }
    for name, said in extra.items():
        if said:
            yield _say(locale, name, **{name: said})


def _wanted(decision: Decision, locale: Locale) -> Iterator[str]:
    inputs = decision.inputs
    if chosen := decision.override:
        yield _say(locale, "override", by=chosen.by, reason=chosen.reason, approved_by=chosen.approved_by)
    stage = locale.word(inputs.stage, "stages")
    yield _say(locale, "step_of_stage" if stage else "step", step=decision.step, stage=stage)
    reasons = _words(inputs.reasons, locale, "willingness")
    because = "willingness_because" if reasons else "willingness"
    yield _say(locale, because, willingness=inputs.willingness, reasons=reasons)
    if decision.strategy is not None and decision.strategy.path:
        yield _say(locale, "path", path=" → ".join(decision.strategy.path))


def _ruled(verdicts: Sequence[Verdict], locale: Locale) -> Iterator[str]:
    refused = [one for one in verdicts if one.refuses()]
    advised = [one for one in verdicts if not one.allowed and not one.refuses()]
    allowed = [one for one in verdicts if one.allowed]
    for title, ones in (("refused", refused), ("advised", advised)):
        if ones:
            yield from ("", _say(locale, title, count=len(ones)))
            for one in ones:
                yield from _verdict(one, locale)
    if allowed:
        yield from ("", _say(locale, "allowed", count=len(allowed)), f"  {locale.listed(one.cited for one in allowed)}")


def _verdict(verdict: Verdict, locale: Locale) -> Iterator[str]:
    yield _say(locale, "verdict", rule=verdict.cited, detail=locale.recorded(verdict.detail, verdict.detail_zh))
    standing = "" if verdict.confidence == "unverified" else locale.word(verdict.status, "standing")
    source, sure = _say(locale, "source", source=verdict.source), locale.word(verdict.confidence, "confidence")
    yield f"    {locale.clauses(part for part in (source, standing, sure) if part)}"


def _made_by(decision: Decision, locale: Locale) -> Iterator[str]:
    for pack in decision.packs:
        yield _say(locale, "pack", id=pack.id, version=pack.version, hash=pack.hash[:12])
    if (graph := decision.strategy) is not None:
        yield _say(locale, "strategy", graph=graph.graph, hash=graph.hash[:12], engine=graph.engine)


def _words(values: Iterable[str], locale: Locale, group: str = "words") -> str:
    return locale.listed(locale.word(value, group) for value in values)
