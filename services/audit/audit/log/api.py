"""The log over HTTP, as static files (C2SP tlog-tiles): checkpoint, key and hashes to anyone, entries to auditors."""

import asyncio

from doorstep.infra.access import AuditorOfAll
from fastapi import APIRouter, HTTPException, Response
from tlog.folder import Folder
from tlog.paths import CHECKPOINT, is_open, is_part

from audit.store.settings import AuditRuntime

_FOR_EVER = "max-age=31536000, immutable"


def routes(router: APIRouter, runtime: AuditRuntime) -> None:
    """Below /log."""
    folder = Folder(runtime.settings.log_folder)

    @router.get("/log/tile/entries/{path:path}")
    async def entries(path: str, _: AuditorOfAll) -> Response:
        return await _file(folder, f"tile/entries/{path}", f"private, {_FOR_EVER}")

    @router.get("/log/blob/{path:path}")
    async def blob(path: str, _: AuditorOfAll) -> Response:
        return await _file(folder, f"blob/{path}", f"private, {_FOR_EVER}")

    @router.get("/log/{path:path}")
    async def hashes(path: str) -> Response:
        if not is_open(path):
            raise HTTPException(404, "the log has no such file")
        return await _file(folder, path, "no-cache" if path == CHECKPOINT else f"public, {_FOR_EVER}")


async def _file(folder: Folder, name: str, caching: str) -> Response:
    if not is_part(name):
        raise HTTPException(404, "the log has no such file")
    try:
        content = await asyncio.to_thread((folder.path / name).read_bytes)
    except FileNotFoundError:
        raise HTTPException(404, "not here; a partial tile is gone once the whole one is there") from None
    kind = "application/octet-stream" if "/" in name else "text/plain; charset=utf-8"
    return Response(content, media_type=kind, headers={"Cache-Control": caching})
