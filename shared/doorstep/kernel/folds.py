"""What a fold means, as a hash: of every module of ours that the folding code can reach, and of the folded shape.

So a change in a module that `evolve` calls makes what was folded before void, as one in its own module does. What the
kernel and the infrastructure do has no part in a fold's meaning."""

import ast
import hashlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

_NO_PART = ("doorstep.kernel", "doorstep.infra", "doorstep.bus")


def fold_id(modules: Iterable[str], *shapes: object) -> str:
    """Sixteen hex digits. `modules` fold into values of the types `shapes`."""
    starts = set(modules)
    roots = {"doorstep", *(name.partition(".")[0] for name in starts)}
    sources: dict[str, bytes] = {}
    waiting = sorted(starts)
    while waiting:
        if (name := waiting.pop()) not in sources:
            sources[name] = Path(str(sys.modules[name].__file__)).read_bytes()
            waiting += (one for one in _imported(sources[name]) if one.partition(".")[0] in roots and _counts(one))
    schemas = [msgspec.json.encode(msgspec.json.schema(shape), order="deterministic") for shape in shapes]
    return hashlib.sha256(b"".join([*(sources[name] for name in sorted(sources)), *schemas])).hexdigest()[:16]


def _counts(name: str) -> bool:
    return name in sys.modules and not name.startswith(_NO_PART)


def _imported(source: bytes) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (one.name for one in names)
            case ast.ImportFrom(module=str(module), names=names):
                yield module
                yield from (f"{module}.{one.name}" for one in names)
