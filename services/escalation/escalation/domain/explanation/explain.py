"""A decision, and what another policy changes about it, as a person would say it.

Everything is taken from the event: what it was made from, what each rule said then, which packs and which graph. So it
reads the same years later, whatever is in force by then.
"""

from collections.abc import Iterator, Mapping, Sequence

from doorstep.events.envelope import Envelope
from doorstep.events.escalation.permits import ContactDenied, ContactPermitted, VisitPermitted
from doorstep.events.registry import decode_event
from doorstep.events.values import Decision, Inputs, Language, Verdict

from escalation.backtest.differences import DecisionChange
from escalation.backtest.recorded import OURS, Refusal
from escalation.domain.case.lifecycle import Decided
from escalation.domain.explanation import phrases
from escalation.domain.explanation.phrases import INDEX, clock, days, listed, word


def explain(envelope: Envelope, language: Language) -> str:
    """The decision that `envelope` holds, in lines. Raises ValueError when it holds none."""
    event = decode_event(envelope)
    if not isinstance(event, Decided):
        raise ValueError(f"{envelope.type} is no decision; decisions are contacts and visits, permitted or denied")
    return "\n".join(_lines(envelope, event, language))


def difference(change: DecisionChange, language: Language) -> str:
    """One changed decision, in a sentence."""
    local = change.at.astimezone(change.local.tzinfo)
    to = change.to_at.astimezone(change.local.tzinfo) if change.to_at else None
    way, to_way = (word(phrases.WAYS, name or "", language) for name in (change.way, change.to_way))
    said = _CHANGES[change.kind][INDEX[language]].format(
        way=way, to_way=to_way, at=clock(local), to=clock(to) if to else "", bucket=change.bucket
    )
    if not change.refusals:
        form = _UNWANTED if change.kind in ("contact-now-denied", "visit-lost") else _WANTED
        return said + form[INDEX[language]].format(step=change.step)
    why = ("；", "; ")[INDEX[language]].join(_why(one, change.way, language) for one in change.refusals)
    denied = _DENIED if change.kind in ("contact-now-allowed", "visit-gained") else ("：", ": ")
    return f"{said}{denied[INDEX[language]]}{why}"


def _lines(envelope: Envelope, event: Decided, language: Language) -> Iterator[str]:
    decision, en = event.decision, language == "en"
    local = decision.inputs.local_time
    yield (f"Decision {decision.decision_id}" if en else f"决策 {decision.decision_id}")
    yield (
        f"Case {envelope.subject} of {envelope.tenant}, at {clock(local)} on the borrower's clock"
        if en
        else f"{envelope.tenant} 的案件 {envelope.subject}，借款人当地时间 {clock(local)}"
    )
    yield from ("", _verdict_line(event, language))
    if isinstance(event, ContactPermitted | VisitPermitted):
        yield from _terms(event, language)
    elif decision.earliest_next is not None:
        at = clock(decision.earliest_next.astimezone(local.tzinfo))
        yield (f"The earliest it can be tried again is {at}." if en else f"最早可于 {at} 再次尝试。")
    else:
        yield ("It cannot be tried again until something changes." if en else "情况变化之前不得再次尝试。")
    yield from ("", "What was known" if en else "决策时已知的情况", f"  {_known(decision.inputs, language)}")
    yield from ("", "Why this step" if en else "为何选择这一步", *_wanted(decision, language))
    yield from _ruled(decision.verdicts, language)
    yield from ("", "Made by" if en else "所依据的版本", *_made_by(decision, language))


def _verdict_line(event: Decided, language: Language) -> str:
    permitted = isinstance(event, ContactPermitted | VisitPermitted)
    way = event.channel if isinstance(event, ContactPermitted | ContactDenied) else "visit"
    purpose = word(phrases.PURPOSES, event.purpose, language) if isinstance(event, ContactPermitted) else ""
    about = (f"（{purpose}）", f" ({purpose})")[INDEX[language]] if purpose else ""
    act = word(phrases.ACTS, way, language) + about
    if language == "en":
        return f"To be decided: whether to {act}. Decision: {'permitted' if permitted else 'denied'}."
    return f"拟{act}。结论：{'准许' if permitted else '不准'}。"


def _terms(event: ContactPermitted | VisitPermitted, language: Language) -> Iterator[str]:
    hours, en = event.windows, language == "en"
    until = clock(event.valid_until.astimezone(event.decision.inputs.local_time.tzinfo))
    span = f"{hours.opens:%H:%M}-{hours.closes:%H:%M}"
    yield (
        f"It may happen between {span} ({hours.time_zone}), until {until}."
        if en
        else f"可在 {span}（{hours.time_zone}）内进行，有效期至 {until}。"
    )
    if isinstance(event, VisitPermitted):
        staff, notice = event.minimum_staff, event.notice_hours
        duties = listed((word(phrases.DUTIES, duty, language) for duty in event.duties), language)
        yield (
            f"At least {staff} collectors together, noticed at least {notice} hours before."
            if en
            else f"至少 {staff} 人同行，至少提前 {notice} 小时通知。"
        )
        if duties:
            yield (f"At the door: {duties}." if en else f"上门时须：{duties}。")


def _known(inputs: Inputs, language: Language) -> str:
    en = language == "en"
    amount, since = inputs.amount_overdue.text(language), inputs.business_date
    parts = [
        f"{days(inputs.dpd, language)} past due ({inputs.bucket})"
        if en
        else f"逾期 {days(inputs.dpd, language)}（{inputs.bucket} 天段）",
        f"{amount} overdue" if en else f"逾期金额 {amount}",
        f"the bank's word of {since}, {days(inputs.facts_age, language)} old"
        if en
        else f"银行数据截至 {since}（距当日 {days(inputs.facts_age, language)}）",
        f"episode {inputs.episode}" if en else f"第 {inputs.episode} 次逾期",
        f"contacts earlier that day: {inputs.contacts_today}" if en else f"当日此前已联系 {inputs.contacts_today} 次",
        f"unanswered in a row: {inputs.unanswered}" if en else f"连续 {inputs.unanswered} 次未获回应",
    ]
    extra = [
        (("产品", "products"), listed(inputs.products, language)),
        (("客群", "segment"), inputs.segment or ""),
        (("停止联系情形", "holds"), listed((word(phrases.HOLDS, one, language) for one in inputs.holds), language)),
        (
            ("借款人的同意", "consents"),
            listed((word(phrases.CONSENTS, one, language) for one in inputs.consents), language),
        ),
        (("适用地", "rules of"), listed(inputs.countries, language)),
    ]
    parts += [f"{name[1]}: {said}" if en else f"{name[0]}：{said}" for name, said in extra if said]
    return "; ".join(parts) + "." if en else "；".join(parts) + "。"


def _wanted(decision: Decision, language: Language) -> Iterator[str]:
    inputs, en = decision.inputs, language == "en"
    because = listed((word(phrases.REASONS, code, language) for code in inputs.reasons), language)
    if override := decision.override:
        yield (
            f"  {override.by} asked for this step instead of the strategy's ({override.reason}),"
            f" and {override.approved_by} agreed as the second person. The rules were asked all the same."
            if en
            else f"  {override.by} 提出以此代替策略的步骤（理由：{override.reason}），"
            f"{override.approved_by} 作为第二人复核同意。规则照常适用。"
        )
    if inputs.stage:
        stage = word(phrases.STAGES, inputs.stage, language)
        yield f"  Step “{decision.step}”, {stage}." if en else f"  步骤“{decision.step}”，{stage}。"
    else:
        yield f"  Step “{decision.step}”." if en else f"  步骤“{decision.step}”。"
    yield (
        f"  Willingness {inputs.willingness} of 100{f': {because}' if because else ''}."
        if en
        else f"  还款意愿 {inputs.willingness}/100{f'：{because}' if because else ''}。"
    )
    if decision.strategy is not None and decision.strategy.path:
        path = " → ".join(decision.strategy.path)
        yield f"  Path through the graph: {path}." if en else f"  决策图路径：{path}。"


def _ruled(verdicts: Sequence[Verdict], language: Language) -> Iterator[str]:
    refused = [one for one in verdicts if one.refuses()]
    advised = [one for one in verdicts if not one.allowed and not one.refuses()]
    allowed = [one for one in verdicts if one.allowed]
    titles = (("拒绝的规则", "Rules that refused"), ("仅作提示的规则", "Rules that only advise"))
    for title, ones in zip(titles, (refused, advised), strict=True):
        if ones:
            yield from (
                "",
                f"{title[INDEX[language]]} ({len(ones)})" if language == "en" else f"{title[0]}（{len(ones)} 条）",
            )
            for one in ones:
                yield from _said(one, language)
    if allowed:
        names = listed((_name(one) for one in allowed), language)
        head = f"Rules that allowed it ({len(allowed)})" if language == "en" else f"允许的规则（{len(allowed)} 条）"
        yield from ("", head, f"  {names}")


def _said(verdict: Verdict, language: Language) -> Iterator[str]:
    index = INDEX[language]
    yield f"  {_name(verdict)}{('：', ': ')[index]}{(verdict.detail_zh, verdict.detail)[index]}"
    unverified = verdict.confidence == "unverified"
    standing = "" if unverified else word(phrases.STANDING, verdict.status, language)
    sure = word(phrases.CONFIDENCE, verdict.confidence, language)
    source = (f"出处：{verdict.source}", f"source: {verdict.source}")[index]
    yield "    " + ("；", "; ")[index].join(part for part in (source, standing, sure) if part)


def _name(verdict: Verdict) -> str:
    return f"{verdict.pack or OURS}/{verdict.rule}"


def _made_by(decision: Decision, language: Language) -> Iterator[str]:
    en = language == "en"
    for pack in decision.packs:
        yield (
            f"  pack {pack.id} v{pack.version} ({pack.hash[:12]})"
            if en
            else f"  规则包 {pack.id} 第 {pack.version} 版（{pack.hash[:12]}）"
        )
    if (graph := decision.strategy) is not None:
        name, engine = f"{graph.graph}", f"zen-engine {graph.engine}"
        yield (
            f"  strategy {name} ({graph.hash[:12]}), {engine}"
            if en
            else f"  策略 {name}（{graph.hash[:12]}），{engine}"
        )


def _why(refusal: Refusal, way: str, language: Language) -> str:
    other = word(phrases.WAYS, refusal.way, language) if refusal.way != way else ""
    form = (f"{refusal.rule}（{{}}）：{refusal.zh}", f"{refusal.rule} ({{}}): {refusal.en}")[INDEX[language]]
    return form.format(other) if other else form.replace("（{}）", "").replace(" ({})", "")


_CHANGES: Mapping[str, tuple[str, str]] = {
    "contact-now-denied": ("{at} 的{way}（{bucket} 天段）将不再进行", "The {way} at {at} ({bucket}) would not happen"),
    "contact-now-allowed": ("{at} 将新增{way}（{bucket} 天段）", "A {way} at {at} ({bucket}) would be new"),
    "visit-lost": ("{at} 准许的上门（{bucket} 天段）将不予准许", "The visit permitted at {at} ({bucket}) would not be"),
    "visit-gained": ("{at} 将准许上门（{bucket} 天段）", "A visit would be permitted at {at} ({bucket})"),
    "moved": ("{at} 的{way}（{bucket} 天段）将改在 {to}", "The {way} at {at} ({bucket}) would be at {to}"),
    "step-changed": (
        "{at} 的{way}（{bucket} 天段）将改为{to_way}",
        "Instead of the {way} at {at} ({bucket}): {to_way}",
    ),
}
_DENIED = ("，原被拒绝：", ", where it was denied: ")
_WANTED = ("：策略届时选择步骤“{step}”", ", because the strategy wants “{step}” then")
_UNWANTED = ("：策略届时不再选择步骤“{step}”", ", because the strategy does not want “{step}” then")
