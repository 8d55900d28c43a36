"""Places where the tests let a process die. In production nothing is armed and a hit costs one comparison."""

import os
import signal


class Crash(BaseException):
    """What an armed failpoint raises inside a test: no `except Exception` may survive it."""


_armed: dict[str, int] = {}
_kill = False


def arm(name: str, nth: int = 1, *, kill: bool = False) -> None:
    """At the `nth` hit of `name`, raise Crash, or with `kill` end this process with SIGKILL."""
    global _kill  # noqa: PLW0603
    _kill = kill
    _armed[name] = nth


def disarm() -> None:
    """Forget every failpoint."""
    _armed.clear()


def hit(name: str) -> None:
    """Mark a step between two effects on the outside world."""
    if name not in _armed:
        return
    _armed[name] -= 1
    if _armed[name] > 0:
        return
    del _armed[name]
    if _kill:
        os.kill(os.getpid(), signal.SIGKILL)
    raise Crash(name)
