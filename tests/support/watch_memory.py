"""What `tests.support.watch` hears of the bank, the borrower and the lender's people: facts, no judgement."""

from collections import defaultdict
from datetime import date, datetime
from typing import Any

from tests.support.watch_record import Case, Event, Loan, Stop, moment, optional


class Memory:
    """Learns from each event, in the order of recording."""

    def __init__(self) -> None:
        self.cases: dict[str, Case] = defaultdict(Case)
        self.switches: dict[tuple[str, str | None], datetime] = {}
        self.shadow: dict[str, datetime] = {}
        self.ramp: dict[str, int | None] = {}
        self.answered: dict[str, datetime] = {}
        """When a call was answered, by permit."""

    def learn(self, event: Event) -> None:
        """Take in what an event tells."""
        if event.type in _TOLD:
            _TOLD[event.type](self, event, self.cases[event.case])

    def _overdue(self, event: Event, case: Case) -> None:
        data, loan = event.data, case.loans.setdefault(event.data["loan_id"], Loan())
        business_date = date.fromisoformat(data["business_date"])
        if data.get("late") or business_date < loan.business_date:
            return
        loan.told(business_date)
        loan.cured, loan.since = None, date.fromisoformat(data["overdue_since"])
        case.region, case.time_zone = data.get("region"), data.get("time_zone")

    def _loan_cured(self, event: Event, case: Case) -> None:
        loan = case.loans.setdefault(event.data["loan_id"], Loan())
        business_date = date.fromisoformat(event.data["business_date"])
        if not event.data.get("late") and business_date >= loan.business_date:
            loan.told(business_date)
            loan.cured = event.at

    def _paid(self, event: Event, case: Case) -> None:
        loan = case.loans.setdefault(event.data["loan_id"], Loan())
        paid_on = date.fromisoformat(event.data["paid_on"])
        if paid_on > loan.business_date:
            loan.payments[event.data["fact_id"]] = event.at, paid_on

    def _reversed(self, event: Event, case: Case) -> None:
        loan = case.loans.setdefault(event.data["loan_id"], Loan())
        loan.payments.pop(event.data["payment_id"], None)

    def _opened(self, event: Event, case: Case) -> None:
        case.cured, case.episode = None, event.data["episode"]

    def _cured(self, event: Event, case: Case) -> None:
        case.cured = event.at

    def _hold(self, event: Event, case: Case) -> None:
        starts = moment(event.data["starts"]) if event.data.get("starts") else event.at
        case.holds[event.data["hold_id"]] = Stop(event.at, event.data, starts, optional(event.data.get("until")))

    def _renewed(self, event: Event, case: Case) -> None:
        case.holds[event.data["hold_id"]].ends = optional(event.data.get("until"))

    def _lifted(self, event: Event, case: Case) -> None:
        case.holds[event.data["hold_id"]].lifted = event.at

    def _block(self, event: Event, case: Case) -> None:
        case.blocks[event.data["block_id"]] = Stop(event.at, event.data, event.at)

    def _unblocked(self, event: Event, case: Case) -> None:
        case.blocks[event.data["block_id"]].lifted = event.at

    def _consent(self, event: Event, case: Case) -> None:
        until = optional(event.data.get("until"))
        case.consents[event.data["consent_id"]] = Stop(event.at, event.data, event.at, until)

    def _withdrawn_consent(self, event: Event, case: Case) -> None:
        case.consents[event.data["consent_id"]].lifted = event.at

    def _suspended(self, event: Event, case: Case) -> None:
        case.suspended[event.data["by"], event.data["key"]] = event.at

    def _resumed(self, event: Event, case: Case) -> None:
        case.suspended.pop((event.data["by"], event.data["key"]), None)

    def _stopped(self, event: Event, _: Case) -> None:
        self.switches.setdefault((event.tenant, event.data.get("way")), event.at)

    def _allowed(self, event: Event, _: Case) -> None:
        self.switches.pop((event.tenant, event.data.get("way")), None)

    def _shadowed(self, event: Event, _: Case) -> None:
        if event.data["on"]:
            self.shadow.setdefault(event.tenant, event.at)
        else:
            self.shadow.pop(event.tenant, None)

    def _ramped(self, event: Event, _: Case) -> None:
        self.ramp[event.tenant] = event.data["first_contacts_a_day"]

    def _receipt(self, event: Event, case: Case) -> None:
        if event.data["channel"] == "voice" and event.data.get("status", "answered") == "answered":
            self.answered.setdefault(event.data["permit_id"], moment(event.data["at"]))

    def _reply(self, event: Event, case: Case) -> None:
        permit = case.permits.get(event.data["permit_id"])
        if permit is not None and permit.way == "voice":
            self.answered.setdefault(event.data["permit_id"], moment(event.data["at"]))


_TOLD: dict[str, Any] = {
    "loan.overdue-recorded": Memory._overdue,
    "loan.cure-recorded": Memory._loan_cured,
    "loan.payment-recorded": Memory._paid,
    "loan.payment-reversal-recorded": Memory._reversed,
    "case.opened": Memory._opened,
    "case.cured": Memory._cured,
    "hold.placed": Memory._hold,
    "hold.renewed": Memory._renewed,
    "hold.lifted": Memory._lifted,
    "block.recorded": Memory._block,
    "block.removed": Memory._unblocked,
    "consent.recorded": Memory._consent,
    "consent.withdrawn": Memory._withdrawn_consent,
    "sending.suspended": Memory._suspended,
    "sending.resumed": Memory._resumed,
    "tenant.sending-stopped": Memory._stopped,
    "tenant.sending-allowed": Memory._allowed,
    "tenant.shadow-set": Memory._shadowed,
    "tenant.ramp-set": Memory._ramped,
    "contact.receipt": Memory._receipt,
    "contact.reply": Memory._reply,
}
