"""The clock everything asks. Nothing else in Doorstep reads the time of day."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from tlog.files import write_whole


class Clock(Protocol):
    """Tells the present instant, with a zone."""

    def now(self) -> datetime:
        """The present instant, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present instant, in UTC."""
        return datetime.now(UTC)


class SimulatedClock:
    """Stands still until it is told to jump; it never jumps back."""

    def __init__(self, start: datetime) -> None:
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        """The instant last jumped to."""
        return self._now

    def jump(self, to: datetime) -> None:
        """Raises ValueError when `to` lies in the past: events recorded later would seem earlier."""
        if to < self._now:
            raise ValueError(f"cannot jump back from {self._now} to {to}")
        self._now = to.astimezone(UTC)


class FileClock:
    """A simulated clock that several processes share: the instant stands in a file, which one of them
    (the driver of a test) replaces."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def now(self) -> datetime:
        """The instant in the file."""
        return datetime.fromisoformat(self._path.read_text().strip()).astimezone(UTC)

    def jump(self, to: datetime) -> None:
        """Replace the instant for everyone, atomically."""
        write_whole(self._path, to.astimezone(UTC).isoformat().encode(), mode=0o644, durable=False)
