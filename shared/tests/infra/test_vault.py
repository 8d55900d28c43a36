"""What is sealed can be opened by whoever has the keys, until it is erased, and by nobody else."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from doorstep.events.values import Borrower
from doorstep.infra import database, vault
from doorstep.infra.clock import SimulatedClock
from doorstep.infra.vault import Erased, Tampered, Tokens, Vault
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

ZHANG = Borrower(borrower_id="b-1", name="张三", phone="+8613800000000")
TOKENS = Tokens(b"secret")


class Keys:
    """A key database, and vaults of several processes over it."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.clock = SimulatedClock(datetime(2026, 1, 5, tzinfo=UTC))

    def vault(self, wrapping_key: bytes = b"k" * 32) -> Vault:
        return Vault(self.engine, wrapping_key, TOKENS, self.clock)

    async def rows(self, sql: str) -> Any:
        async with self.engine.begin() as connection:
            found = await connection.execute(text(sql))
            return found.all() if found.returns_rows else None


@pytest.fixture
async def keys(new_database: Callable[..., Awaitable[AsyncEngine]]) -> Keys:
    return Keys(await new_database(database.VAULT))


async def test_what_is_sealed_is_opened_by_another_process(keys: Keys) -> None:
    sealed = await keys.vault().seal([("case-1", "张三".encode()), ("case-2", b""), ("case-1", b"x" * 100_000)])
    assert await keys.vault().open(sealed) == ["张三".encode(), b"", b"x" * 100_000]


async def test_a_borrower_comes_back_whole(keys: Keys) -> None:
    sealed = await keys.vault().seal([("case-1", msgspec.json.encode(ZHANG))])
    assert await keys.vault().borrowers(sealed) == [ZHANG]


async def test_neither_the_seal_nor_the_key_database_shows_the_plaintext_or_a_plain_key(keys: Keys) -> None:
    one = keys.vault()
    (sealed,) = await one.seal([("case-1", b"13800000000")])
    assert b"13800000000" not in msgspec.json.encode(sealed) + sealed.box
    ((wrapped,),) = await keys.rows("select wrapped from vault_key")
    assert one._cache["case-1"][0] not in wrapped


async def test_the_same_plaintext_never_looks_the_same(keys: Keys) -> None:
    first, second = await keys.vault().seal([("case-1", b"same"), ("case-1", b"same")])
    assert first.box != second.box
    assert first.commitment == second.commitment


async def test_two_processes_that_seal_first_at_once_use_one_key(keys: Keys) -> None:
    (first,), (second,) = await keys.vault().seal([("case-1", b"a")]), await keys.vault().seal([("case-1", b"b")])
    assert await keys.vault().open([first, second]) == [b"a", b"b"]


async def test_another_wrapping_key_opens_nothing_and_says_which_setting_to_look_at(keys: Keys) -> None:
    sealed = await keys.vault().seal([("case-1", b"secret")])
    with pytest.raises(Tampered, match="DOORSTEP_VAULT_KEY"):
        await keys.vault(b"other" * 8).open(sealed)


@pytest.mark.parametrize("part", ["nonce", "ciphertext", "tag"])
async def test_a_changed_byte_is_noticed(keys: Keys, part: str) -> None:
    (sealed,) = await keys.vault().seal([("case-1", b"secret")])
    at = {"nonce": 0, "ciphertext": 12, "tag": len(sealed.box) - 1}[part]
    box = bytearray(sealed.box)
    box[at] ^= 1
    with pytest.raises(Tampered, match="were changed"):
        await keys.vault().open([msgspec.structs.replace(sealed, box=bytes(box))])


async def test_a_seal_cannot_be_moved_to_another_case(keys: Keys) -> None:
    one = keys.vault()
    mine, theirs = await one.seal([("case-1", b"mine"), ("case-2", b"theirs")])
    with pytest.raises(Tampered, match="under another key"):
        await one.open([msgspec.structs.replace(mine, key_id="case-2")])
    with pytest.raises(Tampered, match="were changed"):
        await one.open([msgspec.structs.replace(theirs, box=mine.box)])


async def test_a_commitment_binds_the_box_to_one_key(keys: Keys) -> None:
    (sealed,) = await keys.vault().seal([("case-1", b"secret")])
    with pytest.raises(Tampered, match="under another key"):
        await keys.vault().open([msgspec.structs.replace(sealed, commitment=b"\0" * 32)])


async def test_what_is_erased_is_gone_for_good(keys: Keys) -> None:
    one = keys.vault()
    (gone, kept) = await one.seal([("case-1", b"secret"), ("case-2", b"other")])
    for _ in range(2):
        await one.destroy("case-1")
    with pytest.raises(Erased):
        await one.open([gone])
    with pytest.raises(Erased):
        await one.seal([("case-1", b"comes back")])
    assert await one.open([kept]) == [b"other"]
    assert await keys.rows("select wrapped from vault_key where key_id = 'case-1'") == [(None,)]


async def test_an_erasure_reaches_other_processes_within_a_minute(keys: Keys) -> None:
    here, there = keys.vault(), keys.vault()
    sealed = await here.seal([("case-1", b"secret")])
    assert await there.open(sealed) == [b"secret"]
    await here.destroy("case-1")
    keys.clock.jump(keys.clock.now() + vault.CACHE_FOR)
    with pytest.raises(Erased):
        await there.open(sealed)


async def test_someone_never_seen_can_be_erased_beforehand(keys: Keys) -> None:
    await keys.vault().destroy("case-9")
    with pytest.raises(Erased):
        await keys.vault().seal([("case-9", b"x")])


async def test_a_key_nobody_made_opens_nothing(keys: Keys) -> None:
    (sealed,) = await keys.vault().seal([("case-1", b"x")])
    with pytest.raises(Erased):
        await keys.vault().open([msgspec.structs.replace(sealed, key_id="case-404")])


async def test_the_keys_in_memory_stay_bounded(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault, "CACHE_SIZE", 10)
    one = keys.vault()
    for n in range(40):
        await one.seal([(f"case-{n}", b"x")])
        assert len(one._cache) <= 11
    keys.clock.jump(keys.clock.now() + timedelta(seconds=59))
    assert len(await one.seal([(f"case-{n}", b"x") for n in range(40)])) == 40


async def test_a_key_of_the_day_opens_until_it_expires(keys: Keys) -> None:
    one = keys.vault()
    early = await one.seal_of_the_day("intake", [b"of some day", b"the same day"])
    parked = await one.seal([("case-1", b"kept")])
    keys.clock.jump(keys.clock.now() + timedelta(days=30))
    late = await one.seal_of_the_day("intake", [b"of today"])
    other = await one.seal_of_the_day("transit", [b"another purpose"])
    await one.expire("intake", timedelta(days=30))
    assert await one.open(early) == [b"of some day", b"the same day"]
    await one.expire("intake", timedelta(days=29))
    with pytest.raises(Erased):
        await keys.vault().open(early)
    assert await keys.vault().open([*late, *other, *parked]) == [b"of today", b"another purpose", b"kept"]


async def test_one_erased_borrower_hides_nobody_else(keys: Keys) -> None:
    one = keys.vault()
    sealed = await one.seal([(f"case-{n}", b"%d" % n) for n in range(7)])
    await one.destroy("case-3")
    assert await one.open_each(sealed) == [b"0", b"1", b"2", None, b"4", b"5", b"6"]


async def test_a_table_of_sealed_values_is_read_in_clear(keys: Keys) -> None:
    one = keys.vault()
    kept, gone = await one.seal([("case-1", b"kept"), ("case-2", b"gone")])
    await one.destroy("case-2")
    values = [msgspec.json.encode(kept), b'{"of": "an earlier release"}', b"no \xff JSON", msgspec.json.encode(gone)]
    assert await one.uncover(values) == [b"kept", values[1], values[2], None]


async def test_a_destroyed_key_is_shredded_while_others_go_on(keys: Keys) -> None:
    one = keys.vault()
    gone, kept = await one.seal([("case-1", b"gone"), ("case-2", b"kept")])
    before = await one.destroyed_since(None)
    await one.destroy("case-1")
    last = await one.destroyed_since(None)
    await one.shred()
    assert (before, last, await one.destroyed_since(last)) == (None, keys.clock.now(), None)
    assert await one.open_each([gone, kept]) == [None, b"kept"]


class TestTokens:
    """Names without content."""

    def test_the_same_gets_the_same_name(self) -> None:
        assert TOKENS.case_id("acme", "b-1") == Tokens(b"secret").case_id("acme", "b-1")

    def test_tenant_kind_value_and_secret_each_change_it(self) -> None:
        names = [
            TOKENS.case_id("acme", "138"),
            TOKENS.case_id("other", "138"),
            TOKENS.case_id("acme", "139"),
            TOKENS.phone("acme", "138"),
            TOKENS.address("acme", "138"),
            TOKENS.text("acme", "138"),
            Tokens(b"other secret").phone("acme", "138"),
        ]
        assert len(set(names)) == len(names)

    def test_it_fits_into_a_key_and_a_url(self) -> None:
        assert TOKENS.case_id("acme", "张三").isalnum()
        assert len(TOKENS.case_id("acme", "张三")) == 24


async def test_no_key_stands_in_the_statistics_that_postgresql_takes_by_itself(keys: Keys) -> None:
    """They would outlive it: nothing deletes a sample when what it was taken of is gone."""
    await keys.vault().seal([(f"case-{number}", b"x") for number in range(20)])
    await keys.rows("analyze vault_key")
    sampled = {column for (column,) in await keys.rows("select attname from pg_stats where tablename = 'vault_key'")}
    assert "key_id" in sampled
    assert "wrapped" not in sampled
