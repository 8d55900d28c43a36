"""20,000 real credit card accounts, six months, through the whole of Doorstep on a simulated clock.

    python examples/uci_credit_default.py [FILE.csv.gz] [--accounts N] [--seed N] [--jurisdiction cn|us]
                                          [--json] [--dump FILE.ndjson] [--keep FOLDER]

The accounts are those of "Default of Credit Card Clients" (Yeh, I. C., 2009, UCI Machine Learning Repository,
CC BY 4.0): repayment status, bill and payment of each month from April to September 2005. What they become:

- A month's statements are the bank's end-of-day file of its last day, imported at 06:00 the next morning, the way
  `doorstep import` does it. An account is in it when its status is 1 or more; DPD is 30 times the status, the
  amount is the bill, or 0 where that is negative. One that is missing from the next file is cured.
- `PAY_AMT` of a month is money that came in during that month, before its statement (August's equals July's bill
  where July was paid in full), so it is a payment on a day of that month drawn from the seed. Only payments of
  accounts that an earlier file held are published: of the others Doorstep knows nothing.
- Nobody's name, number or words are in the data. Names are drawn from the seed, numbers are of a block that nobody
  has, and so are the few answers and what collectors find at the door.

The accounts are Taiwan's, and so are the rules and the clock. `--jurisdiction` puts the same accounts, in the same
currency, under the rules and the clock of China or the United States instead: the tenant is at home there, and of a
borrower no region is known but the lender's own time zone. The months are then those of 2026, for most of China's
rules were not in force in 2005.

The clock runs on for two weeks after the last file. Nothing is kept but what `--dump` writes: every event as
published, one a line. `--keep` leaves the whole system in a folder, for `doorstep backtest --folder FOLDER`. With
`--json` the last line of standard output is the summary as one JSON object."""

import argparse
import asyncio
import calendar
import csv
import gzip
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from decimal import Decimal
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from doorstep.app.embedded import Embedded, Secrets
from doorstep.app.simulation import Simulation
from doorstep.bus.interface import Outgoing
from doorstep.events.intake import PaymentReceived, PaymentReceivedFact, encode_fact, loan_key
from doorstep.events.topics import INTAKE
from doorstep.infra import telemetry
from doorstep.infra.clock import SimulatedClock
from doorstep.messaging.gateways import Message, for_every_channel
from doorstep_demo import people, routes
from doorstep_demo.country import Country
from doorstep_demo.places import COUNTRIES
from doorstep_demo.run import RunSummary, summarize
from doorstep_demo.world import ListeningGateway, World
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

DATA = Path(__file__).resolve().parents[2] / "shared/data/uci-credit-default/credit_default_2005_rows_1_20000.csv.gz"
TENANT, CURRENCY = "uci", "TWD"
STALE_AFTER_DAYS = 45
"""The files are monthly."""
FILE_ARRIVES, PAYMENTS_ARRIVE = clock_time(6), clock_time(19)
AFTERWARDS = timedelta(days=14)
ANSWERS = 0.03
"""How many contacts are answered."""
AT_HOME = 0.6
"""How many visits find somebody."""


@dataclass(frozen=True)
class Month:
    """A month of 2005, and the ending of its columns in the file (0, and 2 to 6, of a status)."""

    last_day: date
    status: str
    amounts: str

    def arrives(self, country: Country) -> datetime:
        """When its end-of-day file does, at a lender there."""
        return datetime.combine(self.last_day + timedelta(days=1), FILE_ARRIVES, country.zone).astimezone(UTC)


def months_of(year: int) -> Sequence[Month]:
    """April to September, in the order of time; the file has the latest first."""
    return [
        Month(date(year, month, calendar.monthrange(year, month)[1]), f"PAY_{column if column > 1 else 0}", str(column))
        for month, column in zip(range(4, 10), range(6, 0, -1), strict=True)
    ]


MONTHS = months_of(2005)
"""As they were."""
TODAY = months_of(2026)
"""The same in a year in which the rules of another jurisdiction are in force."""


@dataclass(frozen=True)
class Account:
    """One line of the data; `statuses`, `bills` and `payments` by month from April on."""

    number: int
    statuses: Sequence[int]
    bills: Sequence[Decimal]
    payments: Sequence[Decimal]

    @property
    def loan_id(self) -> str:
        """The account as a loan."""
        return f"UCI-{self.number}"

    @property
    def borrower_id(self) -> str:
        """Its holder."""
        return f"HOLDER-{self.number}"

    def overdue(self, month: int) -> bool:
        """Whether that month's statement shows it overdue."""
        return self.statuses[month] >= 1

    def known(self, month: int) -> bool:
        """Whether the file of an earlier month held it."""
        return any(self.overdue(earlier) for earlier in range(month))


def read(path: Path, limit: int | None) -> Sequence[Account]:
    """The first `limit` accounts in `path`. Raises OSError, and ValueError for what is not such a file."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        try:
            return [_account(row) for row in islice(rows, limit)]
        except KeyError as error:
            raise ValueError(f"there is no column {error}") from None
        except ArithmeticError:
            raise ValueError(f"line {rows.line_num}: a status, bill or payment is no number") from None
        except EOFError as error:
            raise ValueError(str(error)) from None


def _account(row: Mapping[str, str]) -> Account:
    return Account(
        int(_number(row["ID"])),
        [int(_number(row[month.status])) for month in MONTHS],
        [_number(row[f"BILL_AMT{month.amounts}"]) for month in MONTHS],
        [_number(row[f"PAY_AMT{month.amounts}"]) for month in MONTHS],
    )


def _number(text: str) -> Decimal:
    """Some are `nan`: nothing is known, so nothing is owed."""
    number = Decimal(text or "nan")
    return number if number.is_finite() else Decimal(0)


class Bank(World):
    """A bank in `country` with these accounts, their holders, and collectors."""

    def __init__(
        self,
        accounts: Sequence[Account],
        months: Sequence[Month],
        country: Country,
        seed: int,
        doorstep: Embedded,
        gateway: ListeningGateway,
        clock: SimulatedClock,
    ) -> None:
        super().__init__(doorstep, gateway, clock, TENANT)
        self._months = months
        self._accounts = [account for account in accounts if account.known(len(self._months))]
        self._country = country
        self._seed = seed
        tokens = doorstep.services[0].vault.tokens
        self._holders = {tokens.case_id(TENANT, account.borrower_id): account for account in self._accounts}

    async def open(self) -> None:
        """Hire collectors, and put every file and every day's payments on the agenda."""
        until = self._months[-1].last_day + timedelta(days=365)
        await self.register_agents(max(8, len(self._accounts) // 100), self._country.agencies, until)
        for number, month in enumerate(self._months):
            self.at(month.arrives(self._country), partial(self._file, number))
            for day, payments in self._payments(number).items():
                arrive = datetime.combine(day, PAYMENTS_ARRIVE, self._country.zone).astimezone(UTC)
                self.at(arrive, partial(self._pay, day, payments))

    async def heard_contact(self, message: Message) -> None:
        """Hardly anyone answers. Who is going to pay says when; the others have words or a hardship."""
        account = self._holders[message.case_id]
        draw = self._draw(account, message.idempotency_key)
        if draw.random() >= ANSWERS:
            return
        body: dict[str, Any] = {"reply_id": f"{message.idempotency_key}-1", "kind": "other"}
        due = self._next_payment(account)
        if due is not None:
            body |= {"kind": "promise", "promise_due": due.isoformat()}
        elif draw.random() < 0.2:
            body |= {"kind": "hardship"}
        hears = self.clock.now() + timedelta(hours=draw.choice((1, 4, 11)))
        self.at(hears, partial(self._answer, message.idempotency_key, {**body, "at": hears.isoformat()}))

    async def visited(self, visit: dict[str, Any], at: datetime) -> None:
        """Somebody is at home, or nobody."""
        draw = self._draw(self._holders[visit["case_id"]], visit["visit_id"])
        if draw.random() >= AT_HOME:
            await self.report(visit, at, outcome="failed", reason="nobody-home")
            return
        await self.report(
            visit,
            at,
            outcome="completed",
            attitude=draw.choice(("cooperative", "neutral", "hostile")),
            willingness=draw.randint(10, 90),
            cause=draw.choice(("forgot", "cash-flow", "unemployment", "illness", "other")),
        )

    async def _file(self, number: int) -> None:
        day = self._months[number].last_day
        path = self.doorstep.folder / f"overdue-{day}.csv"
        rows = [self._row(account, number) for account in self._accounts if account.overdue(number)]
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, _COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
        # From month to month more than a fifth may be cured, which the importer asks about.
        [report] = await self.doorstep.desk.importer.import_file(path, confirm=True, tenant=TENANT, business_date=day)
        await self.doorstep.desk.publish()
        self.counts["facts"] += report.overdue + report.cured

    def _row(self, account: Account, number: int) -> Mapping[str, str]:
        day, bill = self._months[number].last_day, max(account.bills[number], Decimal(0))
        days, country = 30 * account.statuses[number], self._country
        english = country.language == "en"
        return {
            "tenant": TENANT,
            "loan_id": account.loan_id,
            "borrower_id": account.borrower_id,
            "borrower_name": people.name(self._draw(account, "name"), country.language, country=country),
            "phone": country.phone(account.number),
            "address": f"{account.number} Sample Street" if english else f"样例路{account.number}号",
            "region": country.code if country.currency == CURRENCY else "",
            "time_zone": country.clock,
            "language": country.language,
            "product": "card",
            "currency": CURRENCY,
            "principal_outstanding": f"{bill:.2f}",
            "amount_overdue": f"{bill:.2f}",
            # The first day past due is day 1.
            "overdue_since": (day - timedelta(days=days - 1)).isoformat(),
            "business_date": day.isoformat(),
        }

    def _payments(self, number: int) -> Mapping[date, Sequence[Account]]:
        """Whose payments came in on which day of the month."""
        found = defaultdict(list)
        for account in self._accounts:
            if account.known(number) and account.payments[number] > 0:
                found[self._pays_on(account, number)].append(account)
        return found

    async def _pay(self, day: date, payers: Sequence[Account]) -> None:
        await self.doorstep.bus.publish(
            [Outgoing(INTAKE, loan_key(TENANT, one.loan_id), encode_fact(self._payment(one, day))) for one in payers]
        )
        self.counts["facts"] += len(payers)

    def _payment(self, account: Account, day: date) -> PaymentReceivedFact:
        data = PaymentReceived(
            loan_id=account.loan_id,
            borrower_id=account.borrower_id,
            amount=f"{account.payments[day.month - self._months[0].last_day.month]:.2f}",
            currency=CURRENCY,
            paid_on=day,
        )
        return PaymentReceivedFact(
            id=self.fact_id("payment", account.loan_id, day),
            source=f"/bank/{TENANT}/core",
            time=self.clock.now(),
            tenant=TENANT,
            data=data,
        )

    def _next_payment(self, account: Account) -> date | None:
        """The day on which this holder will pay before the next statement, if at all."""
        today = self.clock.now().astimezone(self._country.zone).date()
        number = today.month - self._months[0].last_day.month
        if number >= len(self._months) or account.payments[number] <= 0:
            return None
        day = self._pays_on(account, number)
        return day if day > today else None

    def _pays_on(self, account: Account, number: int) -> date:
        last = self._months[number].last_day
        return last.replace(day=self._draw(account, f"pays/{number}").randint(2, last.day - 2))

    async def _answer(self, permit_id: str, body: dict[str, Any]) -> None:
        await self.call(routes.REPLY, body, permit_id=permit_id)

    def _draw(self, account: Account, what: str) -> Random:
        """The source of chance for one thing alone, so that the order of asking does not matter."""
        return Random(f"{self._seed}/{account.number}/{what}")


_COLUMNS = [
    *("tenant", "loan_id", "borrower_id", "borrower_name", "phone", "address", "region", "time_zone", "language"),
    *("product", "currency", "principal_outstanding", "amount_overdue", "overdue_since", "business_date"),
]


async def run(
    accounts: Sequence[Account],
    months: Sequence[Month],
    country: Country,
    seed: int,
    folder: Path,
    dump: Path | None,
    console: Console,
) -> RunSummary:
    """All six months at a lender in `country`, in `folder`, which is empty."""
    started = time.monotonic()
    clock = SimulatedClock(months[0].arrives(country) - timedelta(hours=6))
    gateway = ListeningGateway(folder / "gateway")
    doorstep = Embedded(folder, Secrets.from_seed(seed).keep(folder))
    try:
        await doorstep.start(
            clock=clock,
            resources=dict.fromkeys(("reminder", "visit-scheduler"), for_every_channel(gateway)),
            sole=True,
            policy_folder=_policy(folder, country),
        )
        world = Bank(accounts, months, country, seed, doorstep, gateway, clock)
        await world.open()
        end = months[-1].arrives(country) + AFTERWARDS
        await _days(Simulation([*doorstep.services, world], clock), clock, world, end, console)
        return await summarize(doorstep, started, dump)
    finally:
        await doorstep.close()


def _policy(folder: Path, country: Country) -> Path:
    policy = folder / "policy"
    policy.mkdir()
    terms = f"{{home: {country.code}, stale_after_days: {STALE_AFTER_DAYS}}}"
    (policy / "tenants.yaml").write_text(f"{TENANT}: {terms}\n")
    return policy


async def _days(simulation: Simulation, clock: SimulatedClock, world: Bank, end: datetime, console: Console) -> None:
    days = (end - clock.now()).days + 1
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("days", total=days)
        for _ in range(days):
            await simulation.advance(clock.now() + timedelta(days=1))
            description = f"{clock.now():%d %b %Y}, {world.counts['facts']:,} facts, day"
            progress.update(task, advance=1, description=description)


def figures(accounts: int, summary: RunSummary) -> dict[str, int | float]:
    """What is printed: `opened` counts accounts, `reopened` their later episodes."""
    counted = {"accounts": accounts, **summary.as_dict()}
    return {name: counted[name] for name in _FIGURES}


_FIGURES = (
    *("accounts", "opened", "cured", "reopened", "open_at_end", "contacts_sent", "contacts_denied"),
    *("visits_noticed", "visits_completed", "events", "seconds"),
)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """`keep`, or a folder of our own, open to the user that PostgreSQL runs as, gone at the end."""
    if keep is not None:
        keep.mkdir(parents=True)
        yield keep
        return
    folder = Path(tempfile.mkdtemp(prefix="doorstep-uci-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", type=Path, nargs="?", default=DATA, metavar="FILE.csv.gz", help=f"default: {DATA.name}")
    parser.add_argument("--accounts", type=int, metavar="N", help="only the first N accounts")
    parser.add_argument("--seed", type=int, default=7, help="of names, days of payment, answers and visits")
    parser.add_argument("--jurisdiction", choices=("cn", "us"), help="whose rules; default: Taiwan's")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON, on the last line")
    parser.add_argument("--dump", type=Path, metavar="FILE.ndjson", help="write every event as published")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave the whole system in a new folder")
    return parser.parse_args()


def main() -> None:
    """Read, run, show."""
    asked = _arguments()
    telemetry.configure_logging("WARNING")
    console = Console(stderr=asked.json)
    try:
        accounts = read(asked.file, asked.accounts)
    except (OSError, ValueError) as error:
        sys.exit(f"cannot read the accounts in {asked.file}: {error}")
    if asked.keep and asked.keep.exists():
        sys.exit(f"{asked.keep} exists: --keep wants a new folder")
    country, months = COUNTRIES[asked.jurisdiction or "tw"], TODAY if asked.jurisdiction else MONTHS
    with _folder(asked.keep) as folder:
        summary = asyncio.run(run(accounts, months, country, asked.seed, folder, asked.dump, console))
    found = figures(len(accounts), summary)
    if asked.json:
        print(msgspec.json.encode(found).decode())
        return
    table = Table("what happened", "how often")
    table.columns[1].justify = "right"
    for name, count in found.items():
        table.add_row(name.replace("_", " "), f"{count:,}")
    console.print(table)


if __name__ == "__main__":
    main()
