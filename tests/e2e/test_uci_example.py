"""An independent pass over the accounts and over every event that `examples/uci_credit_default.py` published.

Nothing here imports Doorstep, but for its independent checker: what the example printed, and what the services
did, is held against the CSV and against the rules as the README of the data and China's numbers give them.
`DOORSTEP_UCI_ACCOUNTS=20000` runs all of them, which takes minutes; without the data, which is no part of the
repository, the handmade accounts remain."""

import csv
import gzip
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from conformance import checker, record
from conformance.report import Assumptions

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "uci_credit_default.py"
DATA = ROOT.parent / "shared" / "data" / "uci-credit-default" / "credit_default_2005_rows_1_20000.csv.gz"
ACCOUNTS = int(os.environ.get("DOORSTEP_UCI_ACCOUNTS", "300"))
# Taiwan has kept no summer time since 1979.
TAIPEI = timezone(timedelta(hours=8))
STATUSES = ["PAY_6", "PAY_5", "PAY_4", "PAY_3", "PAY_2", "PAY_0"]
BILLS = ["BILL_AMT6", "BILL_AMT5", "BILL_AMT4", "BILL_AMT3", "BILL_AMT2", "BILL_AMT1"]
FILES = [datetime(2005, month, 1, 6, tzinfo=TAIPEI) for month in (5, 6, 7, 8, 9, 10)]
"""When the file with the statements of April, May, ... September arrives."""

# ID, age, PAY_0 (September) .. PAY_6 (April), bills and payments in the same order.
HANDMADE = [
    [1, "nan", [0, 0, -1, -2, 0, 0], [500, 400, 0, 0, 100, 100], [9, 9, 9, 9, 9, 9]],
    [2, "31", [8, 7, 6, 5, 4, 3], [99000, 98000, 97000, 96000, 95000, 94000], [0, 0, 0, 0, 0, 0]],
    [3, "42", [0, 0, 0, 0, 0, 2], [100, 100, 100, 100, 100, 30000], [5, 5, 5, 5, 30000, 0]],
    [4, "nan", [2, 0, 2, 0, 1, 0], [700, 600, 500, 400, 300, 200], [0, 600, 0, 400, 0, 0]],
    [5, "57", [2, 2, 0, 0, 0, 0], [-40, 0, -10, 10, 10, 10], [0, 0, 0, 0, 0, 0]],
    [6, "28", [0, 3, 2, 2, 2, 2], [52000, 51000, 50000, 50000, 50000, 50000], [51000, 100, 0, 100, 0, 0]],
]

Event = dict[str, Any]


@dataclass
class Run:
    """What went in and what came out. Events stand in the order in which they were published."""

    accounts: Sequence[dict[str, str]]
    printed: dict[str, Any]
    events: Sequence[Event]
    breaches: list[str] = field(default_factory=list)
    year: int = 2005

    def of(self, *types: str) -> Iterator[Event]:
        """The events of these types."""
        return (event for event in self.events if event["type"].removeprefix("doorstep.") in types)

    @cached_property
    def loans(self) -> dict[str, str]:
        """The account's ID, by case."""
        facts = self.of("loan.overdue-recorded", "loan.payment-recorded", "loan.cure-recorded")
        return {event["subject"]: event["data"]["loan_id"].removeprefix("UCI-") for event in facts}

    @cached_property
    def by_id(self) -> dict[str, dict[str, str]]:
        """The line of the CSV, by ID."""
        return {account["ID"]: account for account in self.accounts}

    def account(self, event: Event) -> dict[str, str]:
        """The line of the CSV that an event is about."""
        return self.by_id[self.loans[event["subject"]]]


def at(event: Event, name: str | None = None) -> datetime:
    """When it was recorded, or the moment that the event names."""
    return datetime.fromisoformat(event["data"][name] if name else event["recordedat"]).astimezone(TAIPEI)


def overdue(account: dict[str, str]) -> list[bool]:
    """By month, from April on."""
    return [float(account[column]) >= 1 for column in STATUSES]


def episodes(account: dict[str, str]) -> int:
    """How often it fell behind."""
    months = overdue(account)
    return sum(now and not before for before, now in zip([False, *months], months, strict=False))


def last_file(moment: datetime) -> int:
    """The index of the last month whose file had come."""
    return sum(arrives <= moment for arrives in FILES) - 1


def counts_are_those_of_the_csv(run: Run) -> None:
    behind = [account for account in run.accounts if episodes(account)]
    opened, at_end = len(behind), sum(overdue(account)[-1] for account in behind)
    again = sum(episodes(account) - 1 for account in behind)
    expected = {
        "accounts": len(run.accounts),
        "opened": opened,
        "cured": opened + again - at_end,
        "reopened": again,
        "open_at_end": at_end,
        "contacts_sent": len(list(run.of("contact.sent"))),
        "contacts_denied": len(list(run.of("contact.denied"))),
        "visits_noticed": len(list(run.of("visit.noticed"))),
        "visits_completed": len(list(run.of("visit.completed"))),
        "events": len(run.events),
    }
    assert {name: run.printed[name] for name in expected} == expected
    assert set(run.printed) == {*expected, "seconds"}


def every_case_opened_and_cured_in_its_months(run: Run) -> None:
    told: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for event in run.of("case.opened", "case.cured"):
        told[run.loans[event["subject"]]].append((event["type"], event["data"]["business_date"][:7]))
    for account in run.accounts:
        months = [False, *overdue(account)]
        expected = [
            (f"doorstep.case.{'opened' if now else 'cured'}", f"{run.year}-{month:02}")
            for month, (before, now) in enumerate(itertools.pairwise(months), 4)
            if before != now
        ]
        assert told.get(account["ID"], []) == expected, account["ID"]


def nobody_is_contacted_who_is_not_overdue(run: Run) -> None:
    for event in run.of("contact.started", "visit.notice-started", "visit.started"):
        account, month = run.account(event), last_file(at(event))
        if not overdue(account)[month] or float(account[BILLS[month]]) <= 0:
            run.breaches.append(f"{event['type']} to {account['ID']} at {at(event)}: nothing is overdue")


def executors_begin_nothing_that_they_know_to_be_withdrawn(run: Run) -> None:
    ended: set[str] = set()
    for event in run.events:
        name = event["type"].removeprefix("doorstep.")
        if name in ("contact.started", "visit.notice-started", "visit.started") and event["stream"] in ended:
            run.breaches.append(f"{name} in {event['stream']}, which was over")
        if name in ("contact.not-sent", "contact.withdrawn", "contact.sent", "visit.cancelled"):
            ended.add(event["stream"])
    cancelled = {event["data"]["permit_id"]: at(event) for event in run.of("permit.cancelled")}
    for event in run.of("contact.started", "visit.started"):
        permit_id = event["data"].get("permit_id") or event["data"]["visit_id"]
        if at(event) > cancelled.get(permit_id, at(event)):
            run.breaches.append(f"{event['type']} at {at(event)} under {permit_id}, cancelled before")


def nobody_who_paid_is_contacted_before_the_next_file(run: Run) -> None:
    paid: dict[str, list[datetime]] = defaultdict(list)
    for event in run.of("loan.payment-recorded"):
        paid[event["subject"]].append(at(event))
    for event in run.of("contact.started", "visit.started"):
        moment = at(event)
        if any(last_file(moment) == last_file(one) and one < moment for one in paid[event["subject"]]):
            run.breaches.append(f"{event['type']} to {event['subject']} at {moment}: a payment waits for its file")


def nothing_reaches_anyone_at_night(run: Run) -> None:
    for event in run.of("contact.started", "contact.sent", "visit.noticed", "visit.started"):
        if not 8 <= at(event).hour < 22:
            run.breaches.append(f"{event['type']} at {at(event)}")


def no_cap_is_exceeded(run: Run) -> None:
    contacts: dict[str, list[Event]] = defaultdict(list)
    for event in run.of("contact.started", "visit.started"):
        contacts[event["subject"]].append(event)
    for case_id, began in contacts.items():
        moments = sorted(at(event) for event in began)
        if any(fourth - first < timedelta(days=7) for first, fourth in zip(moments, moments[3:], strict=False)):
            run.breaches.append(f"{case_id}: four contacts in seven days")
        for most, voice in ((1, False), (3, True)):
            days = [at(event).date() for event in began if (event["data"].get("channel") == "voice") is voice]
            if any(days.count(day) > most for day in set(days)):
                run.breaches.append(f"{case_id}: more than {most} {'calls' if voice else 'messages'} on one day")


def every_contact_has_a_permit_of_its_own(run: Run) -> None:
    permits = {event["data"]["permit_id"]: event for event in run.of("contact.permitted")}
    used: set[str] = set()
    for event in run.of("contact.started"):
        permit_id = event["data"]["permit_id"]
        permit = permits.get(permit_id)
        if permit is None or permit["subject"] != event["subject"] or permit_id in used:
            run.breaches.append(f"contact {permit_id} of {event['subject']} without a permit of its own")
        elif permit["data"]["channel"] != event["data"]["channel"]:
            run.breaches.append(f"contact {permit_id} on another channel than permitted")
        elif not at(permit) <= at(event) <= at(permit, "valid_until"):
            run.breaches.append(f"contact {permit_id} at {at(event)}, when its permit was not valid")
        used.add(permit_id)
    sent = [event["data"]["permit_id"] for event in run.of("contact.sent")]
    assert len(sent) == len(set(sent))
    assert set(sent) <= used


def permits_name_the_amount_of_the_bill(run: Run) -> None:
    for event in run.of("contact.permitted", "visit.permitted"):
        bill = run.account(event)[BILLS[last_file(at(event))]]
        if float(event["data"]["amount"]["amount"]) != float(bill):
            run.breaches.append(f"{event['type']} of {event['data']['amount']}, the bill is {bill}")


def every_visit_is_noticed_a_day_before_and_made_by_two(run: Run) -> None:
    permits = {event["data"]["permit_id"] for event in run.of("visit.permitted")}
    plans = {event["data"]["visit_id"]: event for event in run.of("visit.planned")}
    noticed = {event["data"]["visit_id"]: at(event) for event in run.of("visit.noticed")}
    for visit_id, told in noticed.items():
        plan = plans[visit_id]
        if visit_id not in permits:
            run.breaches.append(f"visit {visit_id} without a permit")
        if told + timedelta(hours=24) > at(plan, "starts"):
            run.breaches.append(f"visit {visit_id} noticed at {told}, planned for {at(plan, 'starts')}")
        if len({one["agent_id"] for one in plan["data"]["collectors"]}) < 2:
            run.breaches.append(f"visit {visit_id} planned for one collector")
    for event in run.of("visit.started"):
        visit_id = event["data"]["visit_id"]
        if visit_id not in noticed or at(event, "at") < at(plans[visit_id], "starts"):
            run.breaches.append(f"visit {visit_id} at {at(event, 'at')}: not noticed, or too early")
        if len(set(event["data"]["present"])) < 2:
            run.breaches.append(f"visit {visit_id} made by one collector")


CHECKS = (
    counts_are_those_of_the_csv,
    every_case_opened_and_cured_in_its_months,
    nobody_is_contacted_who_is_not_overdue,
    executors_begin_nothing_that_they_know_to_be_withdrawn,
    nobody_who_paid_is_contacted_before_the_next_file,
    nothing_reaches_anyone_at_night,
    no_cap_is_exceeded,
    every_contact_has_a_permit_of_its_own,
    permits_name_the_amount_of_the_bill,
    every_visit_is_noticed_a_day_before_and_made_by_two,
)


def read(path: Path, limit: int) -> list[dict[str, str]]:
    """The first `limit` lines."""
    with gzip.open(path, "rt", newline="") if path.suffix == ".gz" else path.open(newline="") as file:
        return list(csv.DictReader(file))[:limit]


def write_handmade(path: Path) -> None:
    columns = ["ID", "AGE", *reversed(STATUSES), *reversed(BILLS), *(f"PAY_AMT{n}" for n in range(1, 7))]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows([number, age, *statuses, *bills, *paid] for number, age, statuses, bills, paid in HANDMADE)  # type: ignore[misc]


def run_example(path: Path, limit: int, dump: Path, *more: str) -> Run:
    """The example as a person runs it."""
    arguments = [str(path), "--accounts", str(limit), "--json", "--dump", str(dump), *more]
    done = subprocess.run([sys.executable, str(EXAMPLE), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout.strip().splitlines()[-1])
    with dump.open(encoding="utf-8") as lines:
        return Run(read(path, limit), printed, [json.loads(line) for line in lines])


def check_all(run: Run) -> None:
    for check in CHECKS:
        check(run)
    assert not run.breaches, "\n".join(run.breaches[:20])


def test_handmade_accounts_become_the_cases_that_their_statuses_say(tmp_path: Path) -> None:
    write_handmade(tmp_path / "accounts.csv")

    run = run_example(tmp_path / "accounts.csv", len(HANDMADE), tmp_path / "events.ndjson")

    check_all(run)
    assert [run.printed[name] for name in ("opened", "cured", "reopened", "open_at_end")] == [5, 4, 2, 3]
    assert run.printed["visits_noticed"] > 0


@pytest.fixture
def kept() -> Iterator[Path]:
    """A new folder, not below pytest's own, which is closed to the user that PostgreSQL runs as."""
    folder = Path(tempfile.mkdtemp(prefix="doorstep-test-"))
    folder.chmod(0o755)
    yield folder / "kept"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("jurisdiction", ["cn", "us"])
def test_the_same_accounts_are_treated_by_the_rules_of_another_jurisdiction(
    tmp_path: Path, kept: Path, jurisdiction: str
) -> None:
    write_handmade(tmp_path / "accounts.csv")

    more = ("--jurisdiction", jurisdiction, "--keep", str(kept))
    run = run_example(tmp_path / "accounts.csv", len(HANDMADE), tmp_path / "events.ndjson", *more)
    run.year = 2026

    counts_are_those_of_the_csv(run)
    every_case_opened_and_cured_in_its_months(run)
    report = checker.check(record.read(tmp_path / "events.ndjson"), Assumptions.of(jurisdiction, stale_after=45))
    assert not report.violations
    assert report.left
    assert (kept / "postgres").is_dir()


@pytest.mark.timeout(1800)
@pytest.mark.skipif(not DATA.exists(), reason="the UCI accounts are not here: ../shared/data/uci-credit-default")
def test_an_independent_pass_over_the_real_accounts_confirms_the_example(tmp_path: Path) -> None:
    run = run_example(DATA, ACCOUNTS, tmp_path / "events.ndjson")

    check_all(run)
    assert run.printed["contacts_sent"] > run.printed["opened"]
