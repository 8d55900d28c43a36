"""Files that are there whole, or not at all."""

from pathlib import Path

import pytest
from tlog.files import drafted, write_new, write_whole


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_takes_the_place_of_another_for_its_owner_alone(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"before")
    write_whole(path, b"after", durable=durable)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"after", 0o600)
    write_whole(path, b"for all to read", mode=0o644, durable=durable)
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_draft_that_takes_nobodys_place_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    path.write_bytes(b"before")
    with drafted(path, b"after") as draft:
        assert Path(draft).read_bytes() == b"after"
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_is_never_written_over_another(tmp_path: Path) -> None:
    write_new(tmp_path / "secrets", b"first")
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "secrets", b"second")
    assert (tmp_path / "secrets").read_bytes() == b"first"
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o600


def test_a_new_file_that_fails_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        write_new(tmp_path / "secrets", "no bytes")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
