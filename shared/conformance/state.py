"""What is heard of the bank, the borrower and the lender's people: facts, no judgement."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import date, datetime

from conformance.record import CaseRecord, Keeping, LoanRecord, LogEntry, Stop, moment, optional
from conformance.rules import Book


class State:
    """Learns from each event, in the order of recording."""

    def __init__(self, given: Book | None) -> None:
        self.cases: dict[str, CaseRecord] = defaultdict(lambda: CaseRecord(given))
        self.switches: dict[tuple[str, str | None], datetime] = {}
        self.shadow: dict[str, datetime] = {}
        self.ramp: dict[str, int | None] = {}

    def learn(self, event: LogEntry) -> None:
        """Take in what an event tells."""
        if event.type in TOLD:
            TOLD[event.type](self, event, self.cases[event.case])

    def _overdue(self, event: LogEntry, case: CaseRecord) -> None:
        data, loan = event.data, case.loans.setdefault(event.data["loan_id"], LoanRecord())
        business_date = date.fromisoformat(data["business_date"])
        if data.get("late") or business_date < loan.business_date:
            return
        loan.told(business_date)
        loan.cured, loan.since = None, date.fromisoformat(data["overdue_since"])
        case.region, case.time_zone = data.get("region"), data.get("time_zone")

    def _loan_cured(self, event: LogEntry, case: CaseRecord) -> None:
        loan = case.loans.setdefault(event.data["loan_id"], LoanRecord())
        business_date = date.fromisoformat(event.data["business_date"])
        if not event.data.get("late") and business_date >= loan.business_date:
            loan.told(business_date)
            loan.cured = event.at

    def _paid(self, event: LogEntry, case: CaseRecord) -> None:
        loan = case.loans.setdefault(event.data["loan_id"], LoanRecord())
        paid_on = date.fromisoformat(event.data["paid_on"])
        if paid_on > loan.business_date:
            loan.payments[event.data["fact_id"]] = event.at, paid_on

    def _reversed(self, event: LogEntry, case: CaseRecord) -> None:
        loan = case.loans.setdefault(event.data["loan_id"], LoanRecord())
        loan.payments.pop(event.data["payment_id"], None)

    def _opened(self, event: LogEntry, case: CaseRecord) -> None:
        case.cured, case.episode = None, event.data["episode"]
        case.keeping = Keeping(obstacles=case.keeping.obstacles)

    def _cured(self, event: LogEntry, case: CaseRecord) -> None:
        case.cured = event.at
        case.keeping.ended, case.keeping.ended_by = event.at, event

    def _hold(self, event: LogEntry, case: CaseRecord) -> None:
        starts = moment(event.data["starts"]) if event.data.get("starts") else event.at
        case.holds[event.data["hold_id"]] = Stop(event.at, event.data, starts, optional(event.data.get("until")))

    def _renewed(self, event: LogEntry, case: CaseRecord) -> None:
        if hold := case.holds.get(event.data["hold_id"]):
            hold.ends = optional(event.data.get("until"))

    def _lifted(self, event: LogEntry, case: CaseRecord) -> None:
        if hold := case.holds.get(event.data["hold_id"]):
            hold.lifted = event.at

    def _disputed(self, event: LogEntry, case: CaseRecord) -> None:
        about = {"kind": "dispute", "loans": event.data.get("loans", ())}
        case.holds[f"dispute {event.data['dispute_id']}"] = Stop(event.at, about, event.at)
        case.keeping.obstacles["dispute", event.data["dispute_id"]] = event.at

    def _settled(self, event: LogEntry, case: CaseRecord) -> None:
        if dispute := case.holds.get(f"dispute {event.data['dispute_id']}"):
            dispute.lifted = event.at
        case.keeping.frees("dispute", event.data["dispute_id"], event.at)
        # A dispute that goes on after the cure is part of the case.
        case.keeping.ended = event.at if case.keeping.ended else None

    def _legal_hold(self, event: LogEntry, case: CaseRecord) -> None:
        case.keeping.obstacles["legal hold", event.data["hold_id"]] = event.at

    def _no_legal_hold(self, event: LogEntry, case: CaseRecord) -> None:
        case.keeping.frees("legal hold", event.data["hold_id"], event.at)

    def _parked(self, event: LogEntry, case: CaseRecord) -> None:
        case.keeping.obstacles["parked message", event.data["key"]] = event.at

    def _released(self, event: LogEntry, case: CaseRecord) -> None:
        case.keeping.frees("parked message", event.data["key"], event.at)

    def _erased(self, event: LogEntry, case: CaseRecord) -> None:
        case.keeping.erased = event.at

    def _block(self, event: LogEntry, case: CaseRecord) -> None:
        case.blocks[event.data["block_id"]] = Stop(event.at, event.data, event.at)

    def _unblocked(self, event: LogEntry, case: CaseRecord) -> None:
        if block := case.blocks.get(event.data["block_id"]):
            block.lifted = event.at

    def _consent(self, event: LogEntry, case: CaseRecord) -> None:
        until = optional(event.data.get("until"))
        case.consents[event.data["consent_id"]] = Stop(event.at, event.data, event.at, until)

    def _withdrawn_consent(self, event: LogEntry, case: CaseRecord) -> None:
        if consent := case.consents.get(event.data["consent_id"]):
            consent.lifted = event.at

    def _suspended(self, event: LogEntry, case: CaseRecord) -> None:
        case.suspended[event.data["by"], event.data["key"]] = event.at

    def _resumed(self, event: LogEntry, case: CaseRecord) -> None:
        case.suspended.pop((event.data["by"], event.data["key"]), None)

    def _stopped(self, event: LogEntry, _: CaseRecord) -> None:
        self.switches.setdefault((event.tenant, event.data.get("way")), event.at)

    def _allowed(self, event: LogEntry, _: CaseRecord) -> None:
        self.switches.pop((event.tenant, event.data.get("way")), None)

    def _shadowed(self, event: LogEntry, _: CaseRecord) -> None:
        if event.data["on"]:
            self.shadow.setdefault(event.tenant, event.at)
        else:
            self.shadow.pop(event.tenant, None)

    def _ramped(self, event: LogEntry, _: CaseRecord) -> None:
        self.ramp[event.tenant] = event.data["first_contacts_a_day"]

    def _receipt(self, event: LogEntry, case: CaseRecord) -> None:
        if event.data["channel"] == "voice" and event.data.get("status", "answered") == "answered":
            self._answered(event, case)

    def _answered(self, event: LogEntry, case: CaseRecord) -> None:
        permit = case.permits.get(event.data["permit_id"])
        if permit is not None and permit.way == "voice":
            permit.answered = permit.answered or moment(event.data["at"])


TOLD: Mapping[str, Callable[[State, LogEntry, CaseRecord], None]] = {
    "loan.overdue-recorded": State._overdue,
    "loan.cure-recorded": State._loan_cured,
    "loan.payment-recorded": State._paid,
    "loan.payment-reversal-recorded": State._reversed,
    "case.opened": State._opened,
    "case.cured": State._cured,
    "hold.placed": State._hold,
    "hold.renewed": State._renewed,
    "hold.lifted": State._lifted,
    "dispute.opened": State._disputed,
    "dispute.closed": State._settled,
    "legal-hold.placed": State._legal_hold,
    "legal-hold.lifted": State._no_legal_hold,
    "erasure.completed": State._erased,
    "message-parked": State._parked,
    "message-released": State._released,
    "block.recorded": State._block,
    "block.removed": State._unblocked,
    "consent.recorded": State._consent,
    "consent.withdrawn": State._withdrawn_consent,
    "sending.suspended": State._suspended,
    "sending.resumed": State._resumed,
    "tenant.sending-stopped": State._stopped,
    "tenant.sending-allowed": State._allowed,
    "tenant.shadow-set": State._shadowed,
    "tenant.ramp-set": State._ramped,
    "contact.receipt": State._receipt,
    "contact.reply": State._answered,
}
