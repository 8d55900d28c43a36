"""The demo's world: the portfolio's borrowers and what befalls them, and the bank that lent to them."""

from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from functools import partial
from typing import Any

from doorstep.app.embedded import Embedded
from doorstep.events.intake import PaymentReceived, PaymentReceivedFact, PaymentReversed, PaymentReversedFact
from doorstep.infra.clock import SimulatedClock
from doorstep.messaging.gateways import Message

from doorstep_demo import routes
from doorstep_demo.circumstances import Answered, Told, bounces_after, circumstance, settles_on
from doorstep_demo.personas import Conversation, DeliveryReport, NoConversation, Reaction, Reply, reaction, visit_report
from doorstep_demo.portfolio import Person, Portfolio, SimulatedPayment
from doorstep_demo.words import WORDS
from doorstep_demo.world import ROUND, Ears, World

FILE_ARRIVES = clock_time(6)
"""The bank's end-of-day file comes at six the next morning."""
INTO_THE_DAY = timedelta(hours=4)
"""Compliance looks at the open disputes so long after it."""
ANSWERED_AFTER, CLOSED_AFTER = timedelta(days=9), timedelta(days=20)


class Town(World):
    """Borrowers as the portfolio's personas have them. `terse` providers tell of calls that were answered or not, and
    of messages only when somebody replies."""

    def __init__(
        self,
        portfolio: Portfolio,
        doorstep: Embedded,
        gateway: Ears,
        clock: SimulatedClock,
        every: timedelta = ROUND,
        *,
        terse: bool = False,
    ) -> None:
        super().__init__(doorstep, gateway, clock, portfolio.tenant, every)
        self._terse = terse
        self._portfolio = portfolio
        self._payments: dict[str, list[SimulatedPayment]] = defaultdict(list)
        self._contacts: Counter[str] = Counter()
        self._visits: Counter[str] = Counter()
        tokens = self.doorstep.tokens
        self._who = {tokens.case_id(self.tenant, person.borrower_id): person for person in portfolio.people}

    async def open(self) -> None:
        """Hire collectors, and put every day's file on the agenda."""
        portfolio, country = self._portfolio, self._portfolio.country
        count = max(8, portfolio.borrowers // 20)
        certified = portfolio.start + timedelta(days=max(365, portfolio.days + 60))
        regions = () if country.one_clock else (country.code,)
        await self.register_agents(count, country.agencies, certified, regions=regions)
        for number in range(portfolio.days):
            day = portfolio.start + timedelta(days=number)
            arrives = datetime.combine(day + timedelta(days=1), FILE_ARRIVES, country.zone).astimezone(UTC)
            self.at(arrives, partial(self._file, day))
            self.told(arrives + INTO_THE_DAY, self._look_at_disputes)
        for person in portfolio.people:
            if settles := settles_on(portfolio, person):
                noon = datetime.combine(settles, clock_time(12), person.clock).astimezone(UTC)
                self.told(noon, partial(self._settle, person))

    async def _file(self, day: date) -> None:
        made = [payment for payments in self._payments.values() for payment in payments]
        await self.snapshot(self._portfolio.snapshot_rows(day, made), day)

    async def heard_contact(self, message: Message) -> None:
        """The borrower reads it, or does not."""
        person, now = self._who[message.case_id], self.clock.now()
        self._contacts[message.case_id] += 1
        nth, permit_id = self._contacts[message.case_id], message.idempotency_key
        owed = self._owed(person)
        reactions = reaction(self._portfolio, person, channel=message.channel, nth=nth, at=now, owed=owed)
        for number, one in enumerate(reactions):
            if not (self._terse and isinstance(one, DeliveryReport) and one.status == "delivered"):
                self.told(one.at, partial(self._react, person, permit_id, number, one))
        match circumstance(self._portfolio, person):
            case Told(after=after) as told if nth == 1:
                self.told(now + after, partial(self._tell, message.case_id, told))
            case Answered() as answered if nth == 2:
                reply = Reply(now + answered.after, answered.kind, answered.text)
                self.told(reply.at, partial(self._react, person, permit_id, len(reactions), reply))
            case _:
                pass

    async def visited(self, visit: dict[str, Any], at: datetime) -> None:
        """The door opens, or does not."""
        case_id = visit["case_id"]
        person = self._who[case_id]
        self._visits[case_id] += 1
        found = visit_report(self._portfolio, person, nth=self._visits[case_id], at=at, owed=self._owed(person))
        match found:
            case NoConversation(reason=reason, notes=notes):
                await self.report(visit, at, outcome="failed", reason=reason, notes=notes)
            case Conversation():
                await self.report(visit, at, outcome="completed", **_findings(found))
                for number, payment in enumerate(found.payments):
                    self.told(payment.at, partial(self._pay, person, f"{visit['visit_id']}/{number}", payment))

    async def _react(self, person: Person, permit_id: str, number: int, one: Reaction) -> None:
        match one:
            case DeliveryReport(at=at, status=status):
                body: dict[str, Any] = {"status": status, "at": at.isoformat()}
                await self.call(routes.RECEIPT, body, permit_id=permit_id)
            case Reply():
                body = {
                    "reply_id": f"{permit_id}-{number}",
                    "kind": one.kind,
                    "at": one.at.isoformat(),
                    "text": one.text,
                    "promise_due": one.promise_due and one.promise_due.isoformat(),
                    "promise_amount": _amount(one.promise_amount),
                }
                await self.call(routes.REPLY, body, permit_id=permit_id)
            case SimulatedPayment():
                await self._pay(person, f"{permit_id}/{number}", one)

    async def _tell(self, case_id: str, told: Told) -> None:
        case = {"tenant_id": self.tenant, "case_id": case_id}
        await self.call(told.route, told.body, **case)
        if told.lifted_after is not None:
            reason = {"reason": "the reason for it has passed"}
            lift = partial(self.call, routes.LIFT_HOLD, reason, hold_id=told.body["hold_id"], **case)
            self.told(self.clock.now() + told.lifted_after, lift)

    async def _look_at_disputes(self) -> None:
        now, found = self.clock.now(), await self.call(routes.DISPUTES)
        for one in found["disputes"]:
            dispute = {"tenant_id": self.tenant, "case_id": one["case_id"], "dispute_id": one["dispute_id"]}
            language = self._who[one["case_id"]].language
            age = now - datetime.fromisoformat(one["opened_at"])
            if one["closed_at"] is not None:
                continue
            if one["answered_at"] is None and age >= ANSWERED_AFTER:
                answer = {"answer_id": f"{one['dispute_id']}-1", "text": WORDS["dispute-answered"][language][0]}
                await self.call(routes.ANSWER_DISPUTE, answer, **dispute)
            elif one["answered_at"] is not None and age >= CLOSED_AFTER:
                result = {"outcome": "rejected", "reason": "the payment named in it is not in the books"}
                await self.call(routes.CLOSE_DISPUTE, result, **dispute)

    async def _settle(self, person: Person) -> None:
        now, currency = self.clock.now(), self._portfolio.country.currency
        for loan_id, amount in self._owed(person).items():
            await self._pay(person, "settled", SimulatedPayment(loan_id, amount, now, currency))

    async def _pay(self, person: Person, what: str, payment: SimulatedPayment) -> None:
        self._payments[payment.loan_id].append(payment)
        payment_id = self.fact_id("payment", what, payment.loan_id)
        data = PaymentReceived(
            loan_id=payment.loan_id,
            borrower_id=person.borrower_id,
            amount=str(payment.amount),
            currency=payment.currency,
            paid_on=self._portfolio.bank_day(payment.at),
        )
        await self.publish(
            PaymentReceivedFact(
                id=payment_id,
                source=f"/bank/{self.tenant}/core",
                time=payment.at,
                tenant=self.tenant,
                data=data,
            )
        )
        bounces = bounces_after(self._portfolio, person, payment_id)
        if bounces is not None:
            self.told(payment.at + bounces, partial(self._bounce, person, payment_id, payment))

    async def _bounce(self, person: Person, payment_id: str, payment: SimulatedPayment) -> None:
        self._payments[payment.loan_id].remove(payment)
        data = PaymentReversed(
            loan_id=payment.loan_id,
            borrower_id=person.borrower_id,
            payment_id=payment_id,
            reversed_on=self._portfolio.bank_day(self.clock.now()),
        )
        await self.publish(
            PaymentReversedFact(
                id=self.fact_id("reversal", payment_id),
                source=f"/bank/{self.tenant}/core",
                time=self.clock.now(),
                tenant=self.tenant,
                data=data,
            )
        )

    def _owed(self, person: Person) -> Any:
        loans = self._portfolio.loans_by_borrower[person.borrower_id]
        made = [payment for loan in loans for payment in self._payments.get(loan.loan_id, ())]
        return self._portfolio.owed_by(person, self._portfolio.bank_day(self.clock.now()), made)


def _findings(found: Conversation) -> dict[str, Any]:
    promised = found.promise_due and {
        "promise_due": found.promise_due.isoformat(),
        "promise_amount": _amount(found.promise_amount),
    }
    return {
        "attitude": found.attitude,
        "willingness": found.willingness,
        "cause": found.cause,
        "notes": found.notes,
        **(promised or {}),
    }


def _amount(amount: Any) -> str | None:
    return None if amount is None else str(amount)
