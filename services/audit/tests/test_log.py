"""The log: what is absorbed is in it once, in order, under a signed root; and a crash changes nothing."""

import random
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from audit.log import writer
from audit.log.writer import Exists, LogWriter, NoLog, WrongKey
from audit.store import views
from doorstep.events.topics import AUDIT
from doorstep.infra import failpoints
from doorstep.infra.clock import SimulatedClock
from doorstep.kernel.decider import Refused
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from tlog.append import grow
from tlog.files import locked
from tlog.folder import Broken, Folder
from tlog.paths import is_open, is_part, tile_path
from tlog.verifier import Checkpoint, Wrong
from tlog.verify import verify
from tlog.wrapper import LARGEST

from tests.support.audit_log import STEPS, Audit, NewDatabase, fresh, started, value, values


@pytest.fixture
async def engines(new_database: NewDatabase) -> Sequence[AsyncEngine]:
    """See fresh."""
    return await fresh(new_database)


@pytest.fixture
async def audit(engines: Sequence[AsyncEngine], tmp_path: Path) -> AsyncIterator[Audit]:
    """One whose log was made just now."""
    async with started(engines, tmp_path / "log") as audit:
        await writer.create(audit.running)
        yield audit


async def test_what_is_absorbed_is_in_the_log_once_and_in_order(audit: Audit) -> None:
    told = values(700)
    await audit.hear(told[:300])
    await audit.keep()
    await audit.hear(told[200:], first=200)
    await audit.keep()
    checkpoint = audit.verified()
    assert checkpoint.size == 700
    logged = audit.entries(700)
    assert len(set(logged)) == 700
    async with audit.running.engine.connect() as connection:
        assert [one.entry for one in await views.logged(connection, 0, 700)] == logged
    assert audit.folder.checkpoint() == (await audit.head()).checkpoint


async def test_an_earlier_checkpoint_is_the_beginning_of_every_later_one(audit: Audit) -> None:
    seen = [audit.folder.checkpoint()]
    for count in (1, 254, 1, 300, 2, 600):
        size = audit.verified().size
        await audit.hear(values(count, size), first=size)
        await audit.keep()
        seen.append(audit.folder.checkpoint())
        for earlier in seen:
            audit.verified(earlier=earlier)


async def test_a_checkpoint_goes_out_as_an_event_and_is_no_entry(audit: Audit) -> None:
    await audit.hear(values(3))
    await audit.keep()
    for _ in range(5):
        await audit.running.turn()
        await audit.keep()
    async with audit.running.engine.connect() as connection:
        assert (await connection.execute(text("select count(*) from entry"))).scalar_one() == 3
    subscription = await audit.running.bus.subscribe("reader", [AUDIT])
    sizes = [b'"size":%d' % size for size in (0, 3)]
    published = [record.value for record in await subscription.fetch(10, 1)]
    assert [size in value for size, value in zip(sizes, published, strict=True)] == [True, True]
    assert audit.verified().size == 3


async def test_what_is_too_large_or_unreadable_is_logged_by_its_hash(audit: Audit) -> None:
    huge = b"x" * (LARGEST + 1)
    await audit.hear([huge, b"\xff"])
    await audit.keep()
    assert audit.verified().size == 2
    for entry, told in zip(audit.entries(2), (huge, b"\xff"), strict=True):
        assert entry.startswith(b'{"doorstep":"wrapped"')
        digest = entry.split(b'"sha256":"')[1][:64].decode()
        assert audit.folder.blob(digest) == told


async def test_a_log_is_made_once_and_opened_ever_after(engines: Sequence[AsyncEngine], tmp_path: Path) -> None:
    async with started(engines, tmp_path / "log") as audit:
        with pytest.raises(NoLog, match="doorstep log create"):
            await audit.keep()
        await writer.create(audit.running)
        with pytest.raises(Exists):
            await writer.create(audit.running)
        await audit.hear(values(5))
        await audit.keep()
    async with started(engines, tmp_path / "elsewhere") as audit:
        with pytest.raises(Exists, match="bring its folder back"):
            await writer.create(audit.running)
        with pytest.raises(Broken, match="has no checkpoint"):
            await audit.keep()
    async with started(engines, tmp_path / "log") as audit:
        await audit.keep()
        assert audit.verified().size == 5


async def test_without_a_key_nothing_is_signed(engines: Sequence[AsyncEngine], tmp_path: Path) -> None:
    async with started(engines, tmp_path / "log", log_key=None) as audit:
        with pytest.raises(WrongKey, match="DOORSTEP_LOG_KEY is not set"):
            await audit.keep()
    async with started(engines, tmp_path / "log", log_key="not a key") as audit:
        with pytest.raises(WrongKey, match="want an Ed25519 private key"):
            await audit.keep()


async def test_a_checkpoint_comes_at_most_as_often_as_was_set(audit: Audit) -> None:
    (worker,) = [one for one in audit.running.workers if isinstance(one, LogWriter)]
    await audit.hear(values(1))
    assert await worker.turn() == 1
    await audit.hear(values(1, 1), first=1)
    assert await worker.turn() == 0
    clock = audit.running.clock
    assert isinstance(clock, SimulatedClock)
    clock.jump(clock.now() + timedelta(seconds=1))
    assert await worker.turn() == 1


class TestOneWriter:
    async def test_a_second_process_rests(self, audit: Audit, engines: Sequence[AsyncEngine], tmp_path: Path) -> None:
        await audit.hear(values(1))
        await audit.keep()
        async with started(engines, tmp_path / "log") as second:
            await second.hear(values(1, 1), first=1)
            await second.keep()
            assert audit.verified().size == 1
        await audit.keep()
        assert audit.verified().size == 2

    async def test_one_that_believes_it_leads_still_cannot_fork_the_log(
        self, audit: Audit, engines: Sequence[AsyncEngine], tmp_path: Path
    ) -> None:
        """Its lock is lost and it does not know: the head in the database decides."""
        await audit.hear(values(4))
        await audit.keep()
        async with started(engines, tmp_path / "log") as zombie:
            stale = await writer.open_(zombie.running)
            await audit.hear(values(300, 4), first=4)
            await audit.keep()
            before = audit.folder.checkpoint()
            rows = [b"another history"]
            growth = grow(stale.folder, stale.head.size, rows)
            with pytest.raises(Refused):
                await writer._sign(zombie.running, stale.signer, stale.head, growth.size, growth.root)
        assert audit.folder.checkpoint() == before
        audit.verified()

    async def test_one_that_wakes_up_late_does_not_put_the_published_checkpoint_back(
        self, audit: Audit, engines: Sequence[AsyncEngine], tmp_path: Path
    ) -> None:
        """It stood still between signing 300 entries and publishing them; another one went on to 600 meanwhile."""
        await audit.hear(values(300))
        late = await writer.open_(audit.running)
        growth = grow(late.folder, 0, values(300))
        late.folder.write(growth.files)
        signed = await writer._sign(audit.running, late.signer, late.head, growth.size, growth.root)
        async with started(engines, tmp_path / "log") as other:
            await other.hear(values(300, 300), first=300)
            await other.keep()
            assert other.verified().size == 600
        late.folder.publish(signed.checkpoint)
        assert audit.verified().size == 600

    async def test_cosignatures_that_are_published_are_not_lost_to_the_bare_checkpoint(self, audit: Audit) -> None:
        await audit.hear(values(5))
        await audit.keep()
        bare = audit.folder.checkpoint()
        cosigned = bare + bare.rpartition("\n\n")[2]
        for note, published in ((cosigned, cosigned), (bare, cosigned)):
            audit.folder.publish(note)
            assert audit.folder.checkpoint() == published

    async def test_another_root_at_the_published_size_is_never_published(self, audit: Audit) -> None:
        await audit.hear(values(5))
        await audit.keep()
        key = writer.signer(audit.running.settings)
        with pytest.raises(Broken, match="two checkpoints of 5 entries differ"):
            audit.folder.publish(key.sign(Checkpoint(key.name, 5, b"r" * 32).body))

    async def test_one_that_is_stopped_while_it_publishes_does_not_make_others_stand_still(
        self, audit: Audit, tmp_path: Path
    ) -> None:
        lock = tmp_path / "log" / ".lock"
        with locked(lock, 0), pytest.raises(TimeoutError, match="is it stopped"), locked(lock, 0.05):
            pytest.fail("two processes publish at once")
        with locked(lock, 0):
            audit.folder.checkpoint()


class TestItStopsAndRepairsNothing:
    async def test_a_changed_tail(self, audit: Audit, engines: Sequence[AsyncEngine], tmp_path: Path) -> None:
        await audit.hear(values(300))
        await audit.keep()
        for name in (tile_path("entries", 1, 44), tile_path(0, 1, 44), tile_path(1, 0, 1)):
            path = tmp_path / "log" / name
            content = path.read_bytes()
            path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
            async with started(engines, tmp_path / "log") as again:
                with pytest.raises(Broken):
                    await writer.open_(again.running)
            path.write_bytes(content)
        async with started(engines, tmp_path / "log") as again:
            await writer.open_(again.running)

    async def test_a_database_that_is_older_than_its_log(
        self, audit: Audit, new_database: NewDatabase, tmp_path: Path
    ) -> None:
        await audit.hear(values(3))
        await audit.keep()
        restored = await fresh(new_database)
        async with started(restored, tmp_path / "other") as other:
            await writer.create(other.running)
            await other.hear(values(2))
            await other.keep()
        async with started(restored, tmp_path / "log") as other:
            with pytest.raises(Broken, match="restored from a backup"):
                await writer.open_(other.running)

    async def test_tiles_of_another_history_are_never_overwritten(self, audit: Audit, tmp_path: Path) -> None:
        await audit.hear(values(2))
        alien = grow(audit.folder, 0, [b"another", b"history"])
        audit.folder.write(alien.files)
        with pytest.raises(Broken, match="other bytes"):
            await audit.keep()
        assert audit.verified().size == 0


class TestVerifying:
    async def test_any_flipped_bit_of_any_file_is_found(self, audit: Audit) -> None:
        await audit.hear([*values(258), b"\xfe" * 5])
        await audit.keep()
        audit.verified()
        dice = random.Random(5)
        for name in audit.folder.files():
            if name == "vkey":
                continue
            path = audit.folder.path / name
            content = path.read_bytes()
            for at in dice.sample(range(len(content)), min(40, len(content))):
                path.write_bytes(content[:at] + bytes([content[at] ^ 1 << dice.randrange(8)]) + content[at + 1 :])
                with pytest.raises(Wrong):
                    verify(Folder(audit.folder.path), audit.key)
            path.write_bytes(content)
        audit.verified()

    async def test_a_rewritten_history_is_found_by_an_earlier_checkpoint(
        self, audit: Audit, new_database: NewDatabase, tmp_path: Path
    ) -> None:
        await audit.hear(values(20))
        await audit.keep()
        kept = audit.folder.checkpoint()
        engines = await fresh(new_database)
        async with started(engines, tmp_path / "rewritten") as rewritten:
            await writer.create(rewritten.running)
            told = values(30)
            told[7] = value(99)
            await rewritten.hear(told)
            await rewritten.keep()
            assert rewritten.verified().size == 30
            with pytest.raises(Wrong, match="history was rewritten"):
                rewritten.verified(earlier=kept)


@pytest.mark.parametrize("step", STEPS)
async def test_a_crash_at_any_step_a_hundred_times_loses_nothing_and_doubles_nothing(
    step: str, engines: Sequence[AsyncEngine], tmp_path: Path
) -> None:
    dice = random.Random(step)
    told: list[bytes] = []
    published: list[str] = []
    crashes = 0
    async with started(engines, tmp_path / "log") as audit:
        await writer.create(audit.running)
        while crashes < 100:
            told += values(dice.choice((1, 3, 90, 256)), len(told))
            failpoints.arm(step, dice.choice((1, 1, 2, 4)))
            try:
                await _tell_and_keep(audit, told)
            except failpoints.Crash:
                crashes += 1
            finally:
                failpoints.disarm()
            # The next process opens the log, as after a crash; what was served meanwhile has to stand.
            (worker,) = [one for one in audit.running.workers if isinstance(one, LogWriter)]
            await worker.close()
            published.append(audit.folder.checkpoint())
        await _tell_and_keep(audit, told)
        final = audit.verified()
        assert audit.entries(final.size) == told
        audit.demand_began(published)


async def _tell_and_keep(audit: Audit, told: Sequence[bytes]) -> None:
    """As the consumer does: what was not committed comes again, and so does some of what was."""
    async with audit.running.engine.connect() as connection:
        known = int((await connection.execute(text("select count(*) from entry"))).scalar_one())
    again = max(0, known - 2)
    await audit.hear(told[again:], first=again)
    await audit.keep()


def test_paths_are_those_of_the_standard() -> None:
    assert tile_path(0, 1234067) == "tile/0/x001/x234/067"
    assert tile_path("entries", 5, 44) == "tile/entries/005.p/44"
    assert is_open("checkpoint")
    assert is_open("tile/1/x001/000.p/255")
    assert not is_open("tile/entries/000")
    assert is_part("tile/entries/000.p/1")
    assert not is_part("tile/entries/../../secrets.json")
    assert not is_part("tile/0/000.p/256")
    assert not is_part("tile/64/000")
