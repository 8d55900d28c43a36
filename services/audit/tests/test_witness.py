"""A witness cosigns a log that only grows, and nothing else; the log gets on with any witness, or without."""

import asyncio
import base64
import stat
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from audit.store.settings import AuditSettings
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from doorstep.app.cli import app as doorstep
from doorstep.infra import failpoints
from doorstep.infra.clock import SimulatedClock
from doorstep.infra.settings import WrongSettings
from hypothesis import given
from hypothesis import strategies as st
from tlog.cosigning import (
    LONGEST,
    CosignatureRefusal,
    CosignatureRequest,
    Cosigner,
    admit,
    decide,
    fresh_key,
    with_cosignatures,
)
from tlog.merkle import consistency_proof, root
from tlog.notes import Signer
from tlog.verifier import EMPTY_ROOT, HASH_SIZE, Checkpoint, Note, VerifierKey, Wrong, leaf_hash
from tlog.witness import Witness, cosign_all
from tlog.witness_folder import Spoilt, WitnessFolder, hashed
from tlog.witness_server import Notary, app
from typer.testing import CliRunner

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
ORIGIN, NAME = "bank.example/log", "witness.example/w1"
LOG = Signer.from_pem(ORIGIN, fresh_key().decode())
STRANGER = Signer.from_pem(ORIGIN, fresh_key().decode())
Answer = Callable[[httpx.Request], Coroutine[None, None, httpx.Response]]


class Leaves:
    """A log's tiles, for logs of one tile."""

    def __init__(self, *entries: str) -> None:
        self._hashes = b"".join(leaf_hash(entry.encode()) for entry in entries)
        self.size = len(entries)

    def hashes(self, level: int, index: int, width: int) -> bytes:
        """As merkle.Tiles says."""
        assert (level, index) == (0, 0)
        return self._hashes[: width * HASH_SIZE]

    def checkpoint(self, size: int | None = None, signer: Signer = LOG, origin: str = ORIGIN) -> str:
        """Of the first `size` entries, signed."""
        size = self.size if size is None else size
        return signer.sign(Checkpoint(origin, size, root(self, size)).body)

    def request(self, old: int, size: int | None = None, signer: Signer = LOG) -> str:
        """That continues `old` entries."""
        size = self.size if size is None else size
        return str(CosignatureRequest.of(old, consistency_proof(self, old, size), self.checkpoint(size, signer)))


TILES = Leaves("a", "b", "c", "d", "e", "f", "g")
FORK = Leaves("a", "b", "C", "d", "e", "f", "g")


class Bench:
    """A witness in `folder`, and what reaches it over HTTP."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = SimulatedClock(NOW)
        self.start()

    def start(self) -> None:
        """Also again, as after a crash."""
        self.notary = Notary(NAME, self.folder, [LOG.verifier], self.clock.now, failpoints.hit)
        self.transport = httpx.ASGITransport(app(self.notary))
        self.http = httpx.AsyncClient(transport=self.transport, base_url="http://witness.test")

    async def post(self, body: str | bytes) -> httpx.Response:
        """To add-checkpoint."""
        return await self.http.post("/add-checkpoint", content=body if isinstance(body, bytes) else body.encode())

    async def held(self) -> int | None:
        """The size that it shows to anyone."""
        answer = await self.http.get(f"/{hashed(ORIGIN)}/checkpoint")
        if answer.status_code == 404:
            return None
        assert Note.parse(answer.text).by([LOG.verifier, self.notary.verifier]).keys() == {
            LOG.verifier,
            self.notary.verifier,
        }
        return Checkpoint.parse(Note.parse(answer.text).body).size

    def client(self) -> Witness:
        """As the log asks it."""
        return Witness("http://witness.test/", self.notary.verifier, transport=self.transport)

    def kept(self, what: str) -> list[str]:
        """The accusations in its folder."""
        return [path.read_text() for path in sorted(self.folder.glob(f"{what}-*.txt"))]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """See Bench."""
    bench = Bench(tmp_path / "witness")
    yield bench
    await bench.http.aclose()


def cosigned(note: str, line: str, key: VerifierKey) -> int:
    """When."""
    return Note.parse(with_cosignatures(note, [line])).by([key])[key]


# What the witness says


async def test_the_first_checkpoint_is_believed_and_cosigned(bench: Bench) -> None:
    answer = await bench.post(TILES.request(0, 3))
    assert answer.status_code == 200
    assert cosigned(TILES.checkpoint(3), answer.text, bench.notary.verifier) == NOW.timestamp()
    assert await bench.held() == 3


async def test_a_log_that_grows_is_cosigned(bench: Bench) -> None:
    for old, size in ((0, 0), (0, 1), (1, 4), (4, 7)):
        answer = await bench.post(TILES.request(old, size))
        assert answer.status_code == 200
        assert cosigned(TILES.checkpoint(size), answer.text, bench.notary.verifier)
    assert await bench.held() == 7


async def test_the_same_checkpoint_again_is_cosigned_again_and_kept_once(bench: Bench) -> None:
    await bench.post(TILES.request(0, 3))
    before = {path: path.read_bytes() for path in bench.folder.iterdir()}
    answer = await bench.post(TILES.request(3, 3))
    assert answer.status_code == 200
    assert {path: path.read_bytes() for path in bench.folder.iterdir()} == before


async def test_a_log_set_back_is_refused_with_the_size_that_is_held(bench: Bench) -> None:
    await bench.post(TILES.request(0, 5))
    for old in (0, 3):
        answer = await bench.post(TILES.request(old, 3))
        assert (answer.status_code, answer.text) == (409, "5\n")
        assert answer.headers["content-type"] == "text/x.tlog.size"
    assert await bench.held() == 5
    assert bench.kept("fork") == []


async def test_more_old_entries_than_there_are_is_malformed(bench: Bench) -> None:
    await bench.post(TILES.request(0, 5))
    assert (await bench.post(f"old 5\n\n{TILES.checkpoint(3)}")).status_code == 400


async def test_a_fork_is_refused_and_both_histories_are_kept(bench: Bench) -> None:
    await bench.post(TILES.request(0, 5))
    for _ in range(2):
        answer = await bench.post(FORK.request(5, 5))
        assert (answer.status_code, answer.text) == (409, "5\n")
    (shown,) = bench.kept("fork")
    assert TILES.checkpoint(5) in shown
    assert FORK.checkpoint(5) in shown
    assert await bench.held() == 5


async def test_a_fork_at_an_earlier_size_is_found_in_the_history(bench: Bench) -> None:
    for old, size in ((0, 2), (2, 3), (3, 4), (4, 6), (6, 7)):
        await bench.post(TILES.request(old, size))
    assert (await bench.post(FORK.request(0, 4))).status_code == 409
    (shown,) = bench.kept("fork")
    assert TILES.checkpoint(4) in shown
    assert FORK.checkpoint(4) in shown


async def test_a_rewritten_history_is_refused_and_both_checkpoints_are_kept(bench: Bench) -> None:
    await bench.post(TILES.request(0, 5))
    assert (await bench.post(FORK.request(5, 7))).status_code == 422
    (shown,) = bench.kept("unproven")
    assert TILES.checkpoint(5) in shown
    assert FORK.checkpoint(7) in shown
    assert await bench.held() == 5


async def test_a_stranger_with_a_wrong_proof_does_not_make_a_log_a_liar(bench: Bench) -> None:
    await bench.post(TILES.request(0, 5))
    assert (await bench.post(f"old 5\n\n{TILES.checkpoint(7)}")).status_code == 422
    assert bench.kept("fork") == []
    assert (await bench.post(TILES.request(5, 7))).status_code == 200


async def test_a_proof_where_none_is_needed_is_refused(bench: Bench) -> None:
    spare = base64.b64encode(EMPTY_ROOT).decode()
    assert (await bench.post(f"old 0\n{spare}\n\n{TILES.checkpoint(3)}")).status_code == 422


async def test_an_unknown_log_is_not_found_and_leaves_nothing_behind(bench: Bench) -> None:
    other = Signer.from_pem("other.example/log", fresh_key().decode())
    answer = await bench.post(f"old 0\n\n{TILES.checkpoint(3, other, other.name)}")
    assert answer.status_code == 404
    assert [path.name for path in bench.folder.iterdir()] == ["key.pem"]


async def test_a_signature_of_another_key_is_forbidden(bench: Bench) -> None:
    assert (await bench.post(TILES.request(0, 3, STRANGER))).status_code == 403


async def test_a_forged_signature_is_forbidden(bench: Bench) -> None:
    changed = with_cosignatures(Checkpoint(ORIGIN, 4, root(TILES, 4)).body + "\n", [TILES.checkpoint(3).split("\n")[4]])
    assert (await bench.post(f"old 0\n\n{changed}\n")).status_code == 403
    assert await bench.held() is None


async def test_signatures_of_strangers_are_neither_needed_nor_kept(bench: Bench) -> None:
    stranger = STRANGER.sign(Checkpoint(ORIGIN, 3, root(TILES, 3)).body).split("\n")[4] + "\n"
    answer = await bench.post(f"old 0\n\n{TILES.checkpoint(3)}{stranger}")
    assert answer.status_code == 200
    kept = (await bench.http.get(f"/{hashed(ORIGIN)}/checkpoint")).text
    assert [name for name, _, _ in Note.parse(kept).signatures] == [ORIGIN, NAME]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "old",
        "old 01\n\n" + TILES.checkpoint(3),
        "old -1\n\n" + TILES.checkpoint(3),
        "old 0\nnot a hash\n\n" + TILES.checkpoint(3),
        "old 0\n" + "A" * 43 + "\n\n" + TILES.checkpoint(3),
        "old 0\n" + ("A" * 43 + "=\n") * 64 + "\n" + TILES.checkpoint(3),
        "old 0\n" + TILES.checkpoint(3),
        "old 0\n\n" + TILES.checkpoint(3).rstrip("\n"),
        "old 0\n\n" + LOG.sign("no checkpoint\n"),
        b"old 0\n\n\xff\xfe",
        "old 0\n\n" + "x" * LONGEST,
    ],
)
async def test_what_is_malformed_is_a_bad_request(bench: Bench, body: str | bytes) -> None:
    assert (await bench.post(body)).status_code == 400
    assert await bench.held() is None


async def test_two_requests_at_once_never_set_a_log_back(bench: Bench) -> None:
    for _ in range(20):
        await bench.post(TILES.request(0, 2))
        answers = await asyncio.gather(*(bench.post(TILES.request(2, size)) for size in (3, 4, 5, 6, 7)))
        assert sorted(one.status_code for one in answers) == [200, 409, 409, 409, 409]
        (won,) = [size for size, one in zip((3, 4, 5, 6, 7), answers, strict=True) if one.status_code == 200]
        assert await bench.held() == won
        for path in bench.folder.glob("history-*"):
            path.unlink()


async def test_nothing_is_shown_of_a_log_nobody_knows(bench: Bench) -> None:
    for name in (hashed("other.example/log"), "nothing", "../key.pem", "0" * 63 + "*"):
        assert (await bench.http.get(f"/{name}/checkpoint")).status_code == 404


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 7), st.integers(0, 7)), max_size=12))
def test_no_two_cosigned_checkpoints_ever_contradict_each_other(asked: list[tuple[bool, int, int]]) -> None:
    held, cosigned_ = None, list[Checkpoint]()
    for forked, old, size in asked:
        tiles = FORK if forked else TILES
        if old > size:
            continue
        request = admit(tiles.request(old, size), {ORIGIN: LOG.verifier})
        assert isinstance(request, CosignatureRequest)
        decided = decide(held, request)
        if isinstance(decided, Checkpoint):
            held = decided
            cosigned_.append(decided)
    histories = [tiles for tiles in (TILES, FORK) if all(one.root == root(tiles, one.size) for one in cosigned_)]
    assert histories
    assert [one.size for one in cosigned_] == sorted(one.size for one in cosigned_)


def test_the_cosignature_is_over_the_bytes_that_the_standard_names() -> None:
    cosigner = Cosigner.from_pem(NAME, fresh_key())
    body = Checkpoint(ORIGIN, 3, root(TILES, 3)).body
    line = cosigner.cosign(body, NOW)
    raw = base64.b64decode(line.split(" ")[2])
    assert line.startswith(f"\u2014 {NAME} ")
    assert (raw[:4], int.from_bytes(raw[4:12], "big")) == (cosigner.verifier.id, 1772413200)
    public = Ed25519PublicKey.from_public_bytes(cosigner.verifier.public)
    public.verify(raw[12:], b"cosignature/v1\ntime 1772413200\n" + body.encode())


# What the witness keeps


async def test_a_witness_started_again_has_the_same_key_and_memory(bench: Bench) -> None:
    await bench.post(TILES.request(0, 5))
    before = bench.notary.verifier
    bench.start()
    assert bench.notary.verifier == before
    assert (await bench.post(TILES.request(0, 7))).text == "5\n"
    assert (await bench.post(TILES.request(5, 7))).status_code == 200


def test_its_key_is_for_its_owner_alone(bench: Bench) -> None:
    assert stat.S_IMODE((bench.folder / "key.pem").stat().st_mode) == 0o600


async def test_memory_without_its_key_is_no_witness(bench: Bench) -> None:
    await bench.post(TILES.request(0, 5))
    (bench.folder / "key.pem").unlink()
    with pytest.raises(Spoilt, match="bring it back"):
        bench.start()


@pytest.mark.parametrize("at", ["witness.before-fsync", "witness.before-answer"])
async def test_after_a_crash_the_log_learns_the_size_and_gets_its_cosignature(bench: Bench, at: str) -> None:
    client = bench.client()
    assert await client.cosign(TILES.checkpoint(3), TILES)
    failpoints.arm(at)
    with pytest.raises(failpoints.Crash):
        await client.cosign(TILES.checkpoint(5), TILES)
    bench.start()
    answer = await bench.post(TILES.request(3, 5))
    assert (answer.status_code, answer.text) == (409, "5\n")
    line = await client.cosign(TILES.checkpoint(5), TILES)
    assert line
    assert cosigned(TILES.checkpoint(5), line, bench.notary.verifier)
    assert await client.cosign(TILES.checkpoint(7), TILES)


@pytest.mark.parametrize("torn", [b'"bank.exam', b"\0" * 300])
async def test_a_torn_line_was_never_cosigned_and_does_not_count(bench: Bench, torn: bytes) -> None:
    await bench.post(TILES.request(0, 3))
    (history,) = bench.folder.glob("history-*")
    whole = history.read_bytes()
    history.write_bytes(whole + torn)
    assert await bench.held() == 3
    assert (await bench.post(TILES.request(3, 5))).status_code == 200
    assert history.read_bytes().startswith(whole)
    assert await bench.held() == 5


async def test_a_history_that_cannot_be_read_stops_the_witness(bench: Bench) -> None:
    await bench.post(TILES.request(0, 3))
    (history,) = bench.folder.glob("history-*")
    history.write_bytes(b"?" + history.read_bytes()[1:])
    assert (await bench.post(TILES.request(3, 5))).status_code == 500
    assert (await bench.post(TILES.request(0, 5))).status_code == 500


def test_every_size_is_found_in_a_long_history(tmp_path: Path) -> None:
    folder = WitnessFolder(tmp_path)
    notes = [Note.parse(LOG.sign(Checkpoint(ORIGIN, size, leaf_hash(b"%d" % size)).body)) for size in range(1, 600, 3)]
    with folder.history(ORIGIN) as history:
        for note in notes:
            history.keep(note)
        assert history.latest() == notes[-1]
        assert [history.of_size(size) for size in range(1, 600, 3)] == notes
        assert [history.of_size(size) for size in range(0, 603, 3)] == [None] * 201


def test_a_witness_takes_one_key_of_a_log_for_each_origin(tmp_path: Path) -> None:
    clock = SimulatedClock(NOW)
    own = Cosigner.from_pem(NAME, fresh_key()).verifier
    for keys in ([], [own], [LOG.verifier, STRANGER.verifier]):
        with pytest.raises(Wrong, match="want"):
            Notary(NAME, tmp_path, keys, clock.now)
    with pytest.raises(Wrong, match="without spaces"):
        Notary("witness one", tmp_path, [LOG.verifier], clock.now)


def test_the_command_says_what_is_wrong_with_a_key(tmp_path: Path) -> None:
    answer = CliRunner().invoke(doorstep, ["witness", "--name", NAME, "--folder", str(tmp_path), "--log", "no-key"])
    assert answer.exit_code == 2
    assert "want a verifier key" in answer.output


# What the log makes of it


async def test_the_log_gets_a_cosignature_for_every_checkpoint(bench: Bench) -> None:
    client = bench.client()
    for size in (1, 3, 3, 7):
        line = await client.cosign(TILES.checkpoint(size), TILES)
        assert line
        assert cosigned(TILES.checkpoint(size), line, bench.notary.verifier)


async def test_a_log_that_starts_again_asks_the_witness_what_it_holds(bench: Bench) -> None:
    assert await bench.client().cosign(TILES.checkpoint(5), TILES)
    assert await bench.client().cosign(TILES.checkpoint(7), TILES)


@pytest.mark.parametrize(
    ("tiles", "size", "why"),
    [(FORK, 5, "FORKED"), (FORK, 7, "FORKED"), (TILES, 3, "SET BACK")],
    ids=["forked", "rewritten", "set back"],
)
async def test_a_log_that_lies_gets_nothing_and_is_told_why(
    bench: Bench, capsys: pytest.CaptureFixture[str], tiles: Leaves, size: int, why: str
) -> None:
    for client in (bench.client(), bench.client()):
        await client.cosign(TILES.checkpoint(5), TILES)
        assert await client.cosign(tiles.checkpoint(size), tiles) is None
        assert why in "".join(capsys.readouterr())
        assert await client.cosign(TILES.checkpoint(5), TILES)


def answering(answer: Answer, *, seconds: float = 5) -> Witness:
    """A witness that is not ours."""
    key = Cosigner.from_pem(NAME, fresh_key()).verifier
    return Witness("http://witness.test", key, seconds=seconds, transport=httpx.MockTransport(answer))


def saying(status: int, body: bytes) -> Answer:
    async def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, content=body)

    return answer


async def down(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


async def slow(_: httpx.Request) -> httpx.Response:
    await asyncio.sleep(60)
    raise AssertionError("nobody waits that long")


LIAR = Cosigner.from_pem(NAME, fresh_key())
TRICKS = {
    "down": down,
    "garbage": saying(200, b"\x00\xff garbage"),
    "nothing": saying(200, b""),
    "a page": saying(200, b"<html>please log in</html>"),
    "without end": saying(200, b"x" * (LONGEST + 1)),
    "another key": saying(200, LIAR.cosign(Checkpoint(ORIGIN, 3, root(TILES, 3)).body, NOW).encode()),
    "moved": saying(301, b""),
    "broken": saying(500, b"oops"),
    "conflict without a size": saying(409, b"soon\n"),
    "too large a size": saying(409, b"9" * 18 + b"\n"),
    "never the right size": saying(409, b"1\n"),
}


@pytest.mark.parametrize("trick", TRICKS)
async def test_a_witness_that_is_no_good_costs_its_cosignature_and_nothing_else(trick: str) -> None:
    witness = answering(TRICKS[trick])
    assert await witness.cosign(TILES.checkpoint(3), TILES) is None
    assert await witness.cosign(TILES.checkpoint(3), TILES) is None


async def test_a_slow_witness_is_not_waited_for() -> None:
    assert await answering(slow, seconds=0.05).cosign(TILES.checkpoint(3), TILES) is None


@pytest.mark.parametrize("ahead", ["", "something else\n\n", "\n"])
async def test_a_witness_that_signs_something_else_has_not_cosigned(bench: Bench, ahead: str) -> None:
    liar = Cosigner.from_pem(NAME, (bench.folder / "key.pem").read_bytes())
    body = f"{Checkpoint(ORIGIN, 3, root(TILES, 3)).body}\n{ahead[:-1]}" if ahead else FORK.checkpoint(3)
    lie = saying(200, (ahead + liar.cosign(body, NOW)).encode())
    witness = Witness("http://witness.test", liar.verifier, transport=httpx.MockTransport(lie))
    assert await witness.cosign(TILES.checkpoint(3), TILES) is None


async def test_the_log_takes_its_own_witness_line_among_those_of_others(bench: Bench) -> None:
    body = Note.parse(TILES.checkpoint(3)).body
    own = Cosigner.from_pem(NAME, (bench.folder / "key.pem").read_bytes())
    other = Cosigner.from_pem("other.example/w", fresh_key())
    lines = other.cosign(body, NOW) + own.cosign(body, NOW)
    transport = httpx.MockTransport(saying(200, lines.encode()))
    witness = Witness("http://witness.test", own.verifier, transport=transport)
    assert await witness.cosign(TILES.checkpoint(3), TILES) == own.cosign(body, NOW)


async def test_a_checkpoint_goes_out_with_the_cosignatures_that_were_to_be_had(bench: Bench) -> None:
    missing: list[float] = []
    note = TILES.checkpoint(3)
    published = await cosign_all([answering(down), bench.client()], note, TILES, missing.append)
    assert published.startswith(note)
    assert Note.parse(published).by([LOG.verifier, bench.notary.verifier]).keys() == {
        LOG.verifier,
        bench.notary.verifier,
    }
    assert missing == [1]
    assert await cosign_all([], note, TILES, missing.append) == note
    assert missing == [1, 0]


def test_a_witness_is_named_by_its_address_and_its_key() -> None:
    key = Cosigner.from_pem(NAME, fresh_key()).verifier
    assert Witness.parse(f"https://witness.example {key}").key == key
    with pytest.raises(Wrong, match="key of a log"):
        Witness.parse(f"https://witness.example {LOG.verifier}")


def test_the_settings_take_witnesses_with_commas_between(monkeypatch: pytest.MonkeyPatch) -> None:
    key = Cosigner.from_pem(NAME, fresh_key()).verifier
    for name in ("DATABASE_URL", "VAULT_URL"):
        monkeypatch.setenv(f"DOORSTEP_{name}", "postgresql://nobody@127.0.0.1:1/nothing")
    for name in ("VAULT_KEY", "TENANT_SECRET"):
        monkeypatch.setenv(f"DOORSTEP_{name}", "s" * 32)
    monkeypatch.setenv("DOORSTEP_JWT_PUBLIC_KEY", "-----BEGIN PUBLIC KEY-----")
    assert AuditSettings.read().log_witnesses == ()
    both = (f"https://a.example {key}", f"http://b.example:8090 {key}")
    monkeypatch.setenv("DOORSTEP_LOG_WITNESSES", ", ".join(both))
    assert AuditSettings.read().log_witnesses == both
    monkeypatch.setenv("DOORSTEP_LOG_WITNESSES", "https://a.example")
    with pytest.raises(WrongSettings, match="DOORSTEP_LOG_WITNESSES"):
        AuditSettings.read()


def test_what_cannot_be_admitted_is_refused_with_the_status_of_the_standard() -> None:
    logs = {ORIGIN: LOG.verifier}
    assert admit("garbage", logs) == CosignatureRefusal(
        400, "want `old` and a size, at most 63 hashes, an empty line, and the checkpoint"
    )
    assert admit(TILES.request(0, 3), {}) == CosignatureRefusal(404, "this witness does not know that log")
