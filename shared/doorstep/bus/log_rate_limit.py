"""Keeps a library from flooding the log."""

import logging


class RateLimit(logging.Filter):
    """Lets one record per message text through in `every` seconds, and says how many it held back. With its
    broker away, aiokafka writes hundreds of lines a second."""

    def __init__(self, every: float = 10.0) -> None:
        super().__init__()
        self._every = every
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this one passes."""
        text = str(record.msg)
        last, held = self._seen.get((record.name, text), (0.0, 0))
        if record.created - last < self._every:
            self._seen[record.name, text] = (last, held + 1)
            return False
        self._seen[record.name, text] = (record.created, 0)
        if held:
            record.msg = f"{text} [and {held} more since]"
        return True


_shared = RateLimit()


def rate_limit(library: str) -> None:
    """Hold back all loggers of `library`. A filter does not reach down to child loggers, so each gets it."""
    for name in list(logging.root.manager.loggerDict):
        if name == library or name.startswith(f"{library}."):
            logging.getLogger(name).addFilter(_shared)
