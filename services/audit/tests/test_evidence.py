"""An evidence bundle: it verifies with the log's key, anywhere, and no byte of it can be changed."""

import hashlib
import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from audit.disclosure.evidence.bundle import Bundle, Evidence, bundle, genuine
from audit.presentation.present import present
from audit.store.entry import Entry
from audit.timeline.domain import timeline
from doorstep.events.escalation.cases import CaseCured, CaseOpened
from doorstep.events.escalation.permits import ContactDenied
from doorstep.events.kernel import ArtifactKind, ArtifactPublished
from doorstep.events.values import PackRef, StrategyRef
from doorstep.infra.access import private_key
from tlog.cosigning import Cosigner, fresh_key
from tlog.merkle import WIDTH, inclusion_proof, root
from tlog.notes import Signer
from tlog.verifier import Checkpoint, Manifest, Proof, VerifierKey, Wrong, check, leaf_hash, main, pack, summary, unpack
from tlog.wrapper import logged

from tests.support.audit import START, Story, decision, example, with_cryptography_alone

LOG = Signer.from_pem("bank.example/log", private_key())
OTHER = Signer.from_pem("bank.example/log", private_key())
WITNESS = Cosigner.from_pem("court.example/witness", fresh_key())
PACK, GRAPH, TEXT = "id: cn\nrules: []\n", '{"nodes":[]}', "version: 3\nDear customer\n"


class Memory:
    """The tiles of a log of fewer than 256 entries."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        assert len(entries) < WIDTH
        self._leaves = b"".join(leaf_hash(_logged(entry)) for entry in entries)

    def hashes(self, level: int, index: int, width: int) -> bytes:
        """As the protocol says."""
        assert (level, index) == (0, 0)
        return self._leaves[: width * 32]


def _logged(entry: Entry) -> bytes:
    return logged(entry.topic, entry.partition, entry.offset, entry.value, readable=True).entry


def told() -> Story:
    """A pack, a graph and a text are published; one contact is denied by them, and the case is cured."""
    story = Story("case-1")
    opened = story.tell(example(CaseOpened), START)
    for kind, content in (("contact-rules", PACK), ("strategy", GRAPH), ("template", TEXT)):
        publish(story, kind, content)
    story.tell(ContactDenied(channel="sms", decision=by_the_book()), START + timedelta(hours=1), cause=opened)
    story.tell(example(CaseCured), START + timedelta(days=3))
    return story


def publish(story: Story, kind: Any, content: str, sha256: str | None = None) -> Entry:
    """`content` on record, under its hash."""
    made: ArtifactKind = kind
    named = sha256 or hash_of(content)
    artifact = ArtifactPublished(kind=made, name=f"{kind} «1»", version="2026.1", hash=named, content=content)
    teller = Story(named)
    teller.tell(artifact, START, stream=f"artifact/{kind}-{named}")
    return story.keep(teller.entries[0].value, START)


def by_the_book() -> Any:
    """A decision that cites what was published."""
    graph = StrategyRef(graph="default", hash=hash_of(GRAPH), engine="2", path=("late",))
    return msgspec.structs.replace(decision(), packs=(PackRef("cn", "2026.1", hash_of(PACK)),), strategy=graph)


def hash_of(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def evidence(story: Story, signer: Signer = LOG, cosigned: str = "") -> Evidence:
    """Of the case in `story`, whose entries are all that the log holds."""
    entries = [msgspec.structs.replace(entry, position=index) for index, entry in enumerate(story.entries)]
    tiles, size = Memory(entries), len(entries)
    own = [entry for entry in entries if entry.envelope.subject == story.case_id]
    shown = present(timeline(story.case_id, own), "en")
    return Evidence(
        case_id=story.case_id,
        prefix=size,
        entries=own,
        published=genuine([entry for entry in entries if isinstance(entry.event, ArtifactPublished)]),
        checkpoint=signer.sign(Checkpoint(signer.name, size, root(tiles, size)).body) + cosigned,
        tiles=tiles,
        renderings={"timeline.en.json": msgspec.json.encode(shown)},
    )


@pytest.fixture(scope="module")
def made() -> Bundle:
    """The bundle of `told`."""
    return bundle(evidence(told()), LOG)


@pytest.fixture(scope="module")
def small(made: Bundle) -> bytes:
    """The same, with less to read."""
    return resigned(made.data, lambda files: {**files, "README.md": b"read me", "verify.py": b"pass"})


Change = Callable[[Mapping[str, bytes]], Mapping[str, bytes]]


def resigned(data: bytes, change: Change, signer: Signer = LOG) -> bytes:
    """`data` with other files, and a manifest that `signer` signed over them."""
    files = dict(change(unpack(data)))
    before = Manifest.parse(files.pop("manifest").decode().partition("\n\n")[0] + "\n")
    manifest = Manifest.of(before.origin, before.case_id, before.prefix, before.size, files)
    return pack(files | {"manifest": signer.sign(manifest.body).encode()})


def without(name: str) -> Change:
    return lambda files: {one: data for one, data in files.items() if one != name}


def refused(data: bytes, key: VerifierKey | None = LOG.verifier, witnesses: Sequence[VerifierKey] = ()) -> str:
    """Why `data` is refused."""
    with pytest.raises(Wrong) as error:
        check(data, key, witnesses)
    assert error.value.zh
    return str(error.value)


def test_a_bundle_verifies_with_the_logs_key(made: Bundle) -> None:
    report = check(made.data, LOG.verifier)
    assert (report.events, report.artifacts, report.missing, report.contested) == (3, 3, (), ())
    assert (report.first, report.last) == ("2026-03-02 01:00:00 UTC", "2026-03-05 01:00:00 UTC")
    assert summary(report).endswith("every entry is in the log.")
    assert "验证通过" in summary(report, zh=True)


def test_without_a_key_only_the_inner_consistency_is_claimed(made: Bundle) -> None:
    report = check(made.data)
    assert "ONLY CONSISTENT WITHIN ITSELF" in summary(report)
    assert "VERIFIED" not in summary(report)
    assert "验证通过" not in summary(report, zh=True)


def test_the_same_evidence_gives_the_same_bytes(made: Bundle) -> None:
    assert bundle(evidence(told()), LOG) == made
    assert made.manifest == hashlib.sha256(unpack(made.data)["manifest"]).hexdigest()


def test_any_zip_reader_opens_it(made: Bundle) -> None:
    with zipfile.ZipFile(io.BytesIO(made.data)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == unpack(made.data)


def test_it_holds_the_events_byte_for_byte(made: Bundle) -> None:
    story, files = told(), unpack(made.data)
    assert [files[f"events/{at:010}.json"] for at in (0, 4, 5)] == [story.entries[at].value for at in (0, 4, 5)]


def test_what_decisions_cite_lies_there_to_be_read(made: Bundle) -> None:
    files = unpack(made.data)
    named = {name: data.decode() for name, data in files.items() if name.startswith("artifacts/")}
    assert named == {
        f"artifacts/contact-rules/contact-rules-1-2026.1-{hash_of(PACK)[:12]}.yaml": PACK,
        f"artifacts/strategy/strategy-1-2026.1-{hash_of(GRAPH)[:12]}.json": GRAPH,
        f"artifacts/template/template-1-2026.1-{hash_of(TEXT)[:12]}.txt": TEXT,
    }


def test_every_single_byte_that_is_changed_is_noticed_and_named(small: bytes) -> None:
    bodies = places(small)
    for at in range(len(small)):
        changed = bytearray(small)
        changed[at] ^= 1 << at % 8
        why = refused(bytes(changed))
        if name := bodies.get(at):
            assert why.startswith(f"{name}: "), (at, why)
        else:
            assert "the ZIP itself was changed" in why or "manifest" in why or "no evidence bundle" in why, (at, why)


def test_without_a_key_too_every_change_is_noticed(small: bytes) -> None:
    for at in range(0, len(small), 5):
        changed = bytearray(small)
        changed[at] ^= 0x20
        refused(bytes(changed), key=None)


def test_no_byte_of_a_whole_bundle_can_be_changed(made: Bundle) -> None:
    for at in range(0, len(made.data), 101):
        changed = bytearray(made.data)
        changed[at] ^= 0xFF
        refused(bytes(changed))


def places(data: bytes) -> Mapping[int, str]:
    """Which file each byte of `data` is in; headers are in none."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {
            at: info.filename
            for info in archive.infolist()
            for begins in [info.header_offset + 30 + len(info.filename)]
            for at in range(begins, begins + info.file_size)
        }


@pytest.mark.parametrize("cut", [0, 1, 21, 22, 1000, -1, -22])
def test_a_part_of_a_bundle_is_none(small: bytes, cut: int) -> None:
    refused(small[:cut])


@pytest.mark.parametrize("around", [(b"", b"\0"), (b"", b"PK"), (b"#!/bin/sh\n", b"")])
def test_nothing_may_stand_around_it(small: bytes, around: tuple[bytes, bytes]) -> None:
    refused(around[0] + small + around[1])


def test_another_zip_of_the_same_files_is_refused(small: bytes) -> None:
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        for name, data in sorted(unpack(small).items()):
            archive.writestr(zipfile.ZipInfo(name), data)
    assert refused(other.getvalue()).startswith("the ZIP itself was changed at byte ")


def test_a_file_of_that_name_twice_is_refused(small: bytes) -> None:
    first = small.index(b"PK\3\4", 1)
    assert "the ZIP itself was changed at 'README.md'" in refused(small[:first] + small)


def test_an_added_file_is_named(small: bytes) -> None:
    assert refused(pack({**unpack(small), "note.txt": b"!"})) == "note.txt: the manifest does not name it: it was added"


def test_a_removed_file_is_named(small: bytes) -> None:
    files = {name: data for name, data in unpack(small).items() if name != "events/0000000004.json"}
    assert refused(pack(files)) == "events/0000000004.json: it is missing"


def test_a_renamed_file_is_named(small: bytes) -> None:
    files = dict(unpack(small))
    files["events/0000000007.json"] = files.pop("events/0000000004.json")
    assert refused(pack(files)).startswith("events/0000000007.json: the manifest does not name it")


def test_a_name_that_leads_out_of_the_folder_is_refused(small: bytes) -> None:
    for name in ("../evil", "/etc/evil", "a//b", "a/../b", "C:evil"):
        assert "the ZIP itself was changed at" in refused(pack({name: b"!", **unpack(small)}))


def test_a_bundle_made_with_another_key_is_refused() -> None:
    forged = bundle(evidence(told(), OTHER), OTHER)
    assert check(forged.data, OTHER.verifier).events == 3
    assert refused(forged.data).startswith(f"manifest: it is not signed by {LOG.verifier}")


def test_an_edited_event_is_refused_whoever_signs_the_manifest_anew(small: bytes) -> None:
    def edit(files: Mapping[str, bytes]) -> Mapping[str, bytes]:
        name = "events/0000000004.json"
        return {**files, name: files[name].replace(b'"dpd":31', b'"dpd":13')}

    assert "not signed by" in refused(resigned(small, edit, OTHER))
    assert refused(resigned(small, edit)).startswith("proofs/0000000004.tlog-proof: the inclusion proof leads to")


def test_the_key_inside_cannot_be_replaced(small: bytes) -> None:
    def replace(files: Mapping[str, bytes]) -> Mapping[str, bytes]:
        return {**files, "key": f"{OTHER.verifier}\n".encode()}

    assert refused(resigned(small, replace)) == "key: the bundle names another key than the one given"
    assert refused(resigned(small, replace, OTHER), key=None).startswith("checkpoint: the checkpoint is not signed by")


def test_the_proof_of_another_entry_is_refused(small: bytes) -> None:
    def swap(files: Mapping[str, bytes]) -> Mapping[str, bytes]:
        return {**files, "proofs/0000000004.tlog-proof": files["proofs/0000000005.tlog-proof"]}

    assert "it is of entry 5, not of events/0000000004.json" in refused(resigned(small, swap))


def test_an_entry_without_a_proof_is_refused(small: bytes) -> None:
    assert refused(resigned(small, without("proofs/0000000004.tlog-proof"))) == (
        "proofs/0000000004.tlog-proof: it is missing"
    )


def test_a_proof_for_another_checkpoint_is_refused(small: bytes) -> None:
    story = told()
    story.tell(example(CaseOpened), START)
    later = evidence(story)
    proof = Proof(4, inclusion_proof(later.tiles, 4, 7), later.checkpoint)
    proof.verify(story.entries[4].value, LOG.verifier)

    def replace(files: Mapping[str, bytes]) -> Mapping[str, bytes]:
        return {**files, "proofs/0000000004.tlog-proof": str(proof).encode()}

    assert "rests on another checkpoint" in refused(resigned(small, replace))


def test_a_checkpoint_is_no_manifest_and_a_manifest_no_checkpoint(small: bytes) -> None:
    files = dict(unpack(small))
    assert refused(pack({**files, "manifest": files["checkpoint"]})) == "manifest: that is no manifest of evidence"

    def swap(files: Mapping[str, bytes]) -> Mapping[str, bytes]:
        return {**files, "checkpoint": files["manifest"]}

    assert refused(resigned(small, swap)).startswith("checkpoint: that is no checkpoint")


def test_a_second_signature_on_the_manifest_is_refused(small: bytes) -> None:
    files = dict(unpack(small))
    line = WITNESS.cosign("whatever", START).encode()
    assert refused(pack({**files, "manifest": files["manifest"] + line})) == (
        "manifest: it is not written as it was signed"
    )


def test_an_event_of_another_case_is_refused() -> None:
    story = told()
    stranger = Story("case-2")
    story.keep(stranger.tell(example(CaseOpened), START).value, START)
    whole = evidence(story)
    strange = msgspec.structs.replace(story.entries[-1], position=6)
    mixed = Evidence(**{**vars(whole), "entries": [*whole.entries, strange], "renderings": {}})
    assert refused(bundle(mixed, LOG).data) == "events/0000000006.json: it is of another case"


def test_a_timeline_that_tells_of_other_entries_is_refused() -> None:
    whole = evidence(told())
    less = present(timeline("case-1", whole.entries[:2]), "en")
    renderings = {"timeline.en.json": msgspec.json.encode(less)}
    changed = bundle(Evidence(**{**vars(whole), "renderings": renderings}), LOG)
    assert refused(changed.data).startswith("timeline.en.json: its lines are not those of the entries")


def test_a_gap_is_reported_and_not_hidden() -> None:
    story = told()
    del story.entries[4]
    report = check(bundle(evidence(story), LOG).data, LOG.verifier)
    assert report.missing == (("number 2 of case/case-1", "case/case-1 的第 2 号事件"),)
    assert "missing: number 2 of case/case-1" in summary(report)
    assert "缺失: case/case-1 的第 2 号事件" in summary(report, zh=True)


def test_two_entries_under_one_number_are_reported() -> None:
    story = told()
    story.keep(story.entries[0].value.replace(b'"episode":7', b'"episode":8'), START)
    report = check(bundle(evidence(story), LOG).data, LOG.verifier)
    assert report.contested[0][0] == "number 1 of case/case-1: events/0000000000.json, events/0000000006.json"


def test_a_rule_pack_that_is_not_on_record_is_reported() -> None:
    story = told()
    del story.entries[1]
    report = check(bundle(evidence(story), LOG).data, LOG.verifier)
    assert report.missing[0][0] == f"contact-rules {hash_of(PACK)}, which decisions or messages cite"


def test_a_rule_pack_under_a_false_hash_does_not_get_in() -> None:
    story = told()
    publish(story, "contact-rules", "id: cn\nrules: [none at all]\n", sha256=hash_of(PACK))
    report = check(bundle(evidence(story), LOG).data, LOG.verifier)
    assert report.artifacts == 3


def test_a_rule_pack_that_no_entry_published_is_refused(small: bytes) -> None:
    def add(files: Mapping[str, bytes]) -> Mapping[str, bytes]:
        return {**files, "artifacts/contact-rules/mild.yaml": b"rules: none"}

    assert refused(resigned(small, add)) == "artifacts/contact-rules/mild.yaml: no entry in published/ is of it"


def test_what_is_too_large_for_an_entry_lies_beside_it() -> None:
    story = told()
    large = example(CaseOpened)
    padded = story.tell(large, START).value.replace(b'"data":{', b'"data":{"more":"' + b"x" * 70_000 + b'",')
    story.keep(padded, START)
    data = bundle(evidence(story), LOG).data
    assert check(data, LOG.verifier).events == 5
    blob = f"blob/{hashlib.sha256(padded).hexdigest()}"
    assert unpack(data)[blob] == padded
    assert refused(resigned(data, without(blob))) == f"events/0000000007.json: {blob} is missing"


def test_witnesses_that_are_asked_for_must_have_cosigned() -> None:
    plain = evidence(told())
    body = plain.checkpoint.partition("\n\n")[0] + "\n"
    cosigned = bundle(evidence(told(), cosigned=WITNESS.cosign(body, START)), LOG).data
    report = check(cosigned, LOG.verifier, [WITNESS.verifier])
    assert "witness: court.example/witness, cosigned 2026-03-02 01:00:00 UTC" in summary(report)
    assert "1 cosignatures were not checked" in summary(check(cosigned, LOG.verifier))
    never = refused(bundle(plain, LOG).data, witnesses=[WITNESS.verifier])
    assert never == "checkpoint: court.example/witness has not cosigned it"


def test_an_entry_that_the_checkpoint_does_not_cover_has_no_bundle() -> None:
    whole = evidence(told())
    beyond = [msgspec.structs.replace(whole.entries[0], position=6)]
    with pytest.raises(IndexError):
        bundle(Evidence(**{**vars(whole), "entries": beyond}), LOG)


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """What is there where Doorstep is not: Python, and `cryptography` with what it needs."""
    with_cryptography_alone(tmp_path / "packages")
    return tmp_path


def alone(folder: Path, code: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run `code` in `folder` by a Python that finds `packages` there and nothing of ours."""
    start = f"import sys; sys.path.append({str(folder / 'packages')!r}); {code}"
    command = [sys.executable, "-I", "-S", "-c", start, *arguments]
    told = {name: value for name, value in os.environ.items() if name in ("SYSTEMROOT", "LD_LIBRARY_PATH")}
    return subprocess.run(command, cwd=folder, env=told, capture_output=True, text=True, check=False, timeout=60)


VERIFY = "import runpy; runpy.run_path('verify.py', run_name='__main__')"


def test_it_verifies_where_doorstep_is_not(bare: Path, made: Bundle) -> None:
    (bare / "verify.py").write_bytes(unpack(made.data)["verify.py"])
    (bare / "case.zip").write_bytes(made.data)
    (bare / "forged.zip").write_bytes(bundle(evidence(told(), OTHER), OTHER).data)
    key = str(LOG.verifier)
    for module in ("doorstep", "audit", "msgspec"):
        assert "ModuleNotFoundError" in alone(bare, f"import {module}").stderr
    held = alone(bare, VERIFY, "case.zip", "--key", key)
    assert (held.returncode, held.stderr) == (0, "")
    assert "VERIFIED" in held.stdout
    assert "验证通过" in alone(bare, VERIFY, "case.zip", "--key", key, "--lang", "zh").stdout
    forged = alone(bare, VERIFY, "forged.zip", "--key", key)
    assert (forged.returncode, forged.stdout) == (1, "")
    assert forged.stderr.startswith("WRONG: manifest: it is not signed by bank.example/log+")
    wrongly = alone(bare, VERIFY, "case.zip", "--key", "mine")
    assert (wrongly.returncode, wrongly.stdout) == (2, "")


def test_the_verifier_needs_nothing_but_python_and_cryptography() -> None:
    import ast

    from tlog import verifier

    tree = ast.parse(Path(verifier.__file__).read_text())
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [one.name for one in node.names]
            if isinstance(node, ast.Import)
            else [str(node.module)]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported - sys.stdlib_module_names == {"cryptography"}


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("nowhere.zip",),
        ("case.zip", "--key", "k"),
        ("case.zip", "--key", str(WITNESS.verifier)),
        ("case.zip", "--witness", str(LOG.verifier)),
    ],
)
def test_called_wrongly_it_says_so_with_2(
    made: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "case.zip").write_bytes(made.data)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
