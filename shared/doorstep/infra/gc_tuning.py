"""How often Python looks for garbage. For whole processes: called by the entry points, by nothing else."""

import gc


def collect_rarely() -> None:
    """A batch makes tens of thousands of small objects that reference counting frees by itself. With the
    standard thresholds the collector walks through all of them, and through every imported module, many
    times a batch: a fifth to a third of the handler's CPU (benchmarks/README.md)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
