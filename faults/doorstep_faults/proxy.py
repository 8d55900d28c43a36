"""A connection that can be cut, or go deaf in one direction."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Literal

Direction = Literal["there", "back"]
DIRECTIONS: tuple[Direction, ...] = ("there", "back")


class Proxy:
    """Passes on what comes to a port of its own to `target`, a socket file or a port on loopback."""

    def __init__(self, target: Path | int) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._deaf: set[Direction] = set()
        self.port = 0
        self._before = 0
        self.swallowed = 0
        """Bytes that were not passed on."""

    async def start(self) -> None:
        """Listens once it returns."""
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> int:
        """End every connection; how many."""
        cut = len(self._writers)
        for writer in self._writers:
            writer.transport.abort()
        return cut // 2

    def deafen(self, direction: Direction) -> None:
        """From now on nothing passes in one direction, and nobody is told."""
        self._deaf.add(direction)
        self._before = self.swallowed

    def hear(self, direction: Direction) -> int:
        """Connections break, as a network's do in the end, and new ones pass everything; how many bytes were lost."""
        self._deaf.discard(direction)
        self.cut()
        return self.swallowed - self._before

    async def close(self) -> None:
        """Listens no more."""
        if self._server is not None:
            self._server.close()
            self.cut()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            if isinstance(self._target, Path):
                far_reader, far_writer = await asyncio.open_unix_connection(str(self._target))
            else:
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers |= {writer, far_writer}
            await asyncio.gather(
                self._pump(reader, far_writer, "there"), self._pump(far_reader, writer, "back"), return_exceptions=True
            )
            self._writers -= {writer, far_writer}
        writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: Direction) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if direction in self._deaf:
                    self.swallowed += len(data)
                    continue
                writer.write(data)
                await writer.drain()
        writer.transport.abort()
