"""The monitor over the demo: a clean one raises nothing; a message that nobody permitted is found once."""

from pathlib import Path

from audit.monitor import views
from audit.monitor.workers import Monitor
from conformance.checker import check
from conformance.record import ordered
from conformance.report import Assumptions
from doorstep.bus.interface import Outgoing
from doorstep.events.envelope import decode
from doorstep.events.topics import REMINDER
from doorstep.kernel.runtime import Running

from tests.support.story import Story, played


async def found(audit: Running) -> list[views.RecordedViolation]:
    async with audit.engine.connect() as connection:
        return list(await views.violations(connection))


async def judged(story: Story) -> None:
    """Everything that happened, to the last entry."""
    audit = story.doorstep.running("audit")
    (monitor,) = [one for one in audit.workers if isinstance(one, Monitor)]
    while await monitor.turn(hurry=True) + await audit.turn():
        continue


def forged(sent: bytes) -> bytes:
    """The same message once more, an hour later, under a permit that nobody gave."""
    permit = sent.partition(b'"permit_id":"')[2].partition(b'"')[0]
    at = decode(sent).id.encode()
    return sent.replace(permit, permit[::-1]).replace(at, at[::-1])


async def test_a_clean_demo_raises_no_violation_and_a_message_without_a_permit_one(folder: Path) -> None:
    async with played(folder, borrowers=12, days=40, seed=7) as story:
        audit = story.doorstep.running("audit")
        await judged(story)
        values = await story.values()
        report = check(ordered(values), Assumptions())
        assert report.left["sms"] > 0
        assert report.violations == []
        assert await found(audit) == []

        sent = next(value for value in reversed(values) if decode(value).type == "doorstep.contact.sent")
        await story.doorstep.bus.publish([Outgoing(REMINDER, decode(sent).subject, forged(sent))])
        await story.simulation.settle()
        await judged(story)
        await judged(story)

        (violation,) = await found(audit)
        assert (violation.case_id, violation.rule) == (decode(sent).subject, "permit")
        shown = await story.timeline(violation.case_id)
        (line,) = [one for one in shown["lines"] if one["violations"]]
        assert "violation" in line["flags"]
        assert line["entry"]["event_id"] == violation.event_id
