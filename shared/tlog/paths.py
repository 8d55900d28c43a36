"""Where things lie in a log's folder (C2SP tlog-tiles). Pure."""

import re

from tlog.merkle import WIDTH

CHECKPOINT, KEY = "checkpoint", "vkey"
_TILE = re.compile(r"tile/(\d|[1-5]\d|6[0-3]|entries)/((?:x\d{3}/)*\d{3})(?:\.p/([1-9]\d?|1\d\d|2[0-4]\d|25[0-5]))?")
_BLOB = re.compile(r"blob/([0-9a-f]{2})/(\1[0-9a-f]{62})")


def tile_path(level: int | str, index: int, width: int = WIDTH) -> str:
    """A tile of hashes, or with "entries" an entry bundle; partial below the full width."""
    groups = [f"{index % 1000:03}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03}")
    partial = "" if width == WIDTH else f".p/{width}"
    return f"tile/{level}/{'/'.join(reversed(groups))}{partial}"


def is_open(path: str) -> bool:
    """Whether anyone may read it: checkpoint, key and hashes give nothing away."""
    return path in (CHECKPOINT, KEY) or (_TILE.fullmatch(path) is not None and not path.startswith("tile/entries/"))


def is_part(path: str) -> bool:
    """Whether a file of that name belongs to a log."""
    return is_open(path) or _TILE.fullmatch(path) is not None or _BLOB.fullmatch(path) is not None
