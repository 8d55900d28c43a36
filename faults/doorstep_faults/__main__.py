"""`make faults`: real processes under a seeded schedule of faults, and what is left of the promises."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from doorstep_faults.faults import FAULTS
from doorstep_faults.mutations import MUTATIONS
from doorstep_faults.report import page, written
from doorstep_faults.run import Report, run

MODES = ("asked", "dedupes", "neither")


def main() -> int:
    """0 when every promise held."""
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same schedule")
    parser.add_argument("--faults", type=int, default=60, help="in all, shared out among the modes")
    parser.add_argument("--mode", choices=MODES, action="append", help="of the provider; may be given again; else all")
    parser.add_argument("--kind", choices=list(FAULTS), action="append", help="may be given again; else all kinds")
    parser.add_argument("--mutation", choices=list(MUTATIONS), default="", help="put this bug in, which must be found")
    parser.add_argument("--folder", type=Path, help="where logs and the ledger stay; else nothing stays")
    parser.add_argument("--report", type=Path, help="write the report there")
    asked = parser.parse_args()
    modes = asked.mode or list(MODES)
    reports: list[Report] = []
    with tempfile.TemporaryDirectory(prefix="doorstep-faults-") as scratch:
        for nth, mode in enumerate(modes):
            folder = (asked.folder or Path(scratch)) / mode
            folder.mkdir(parents=True)
            kinds = asked.kind or list(FAULTS)
            print(f"seed {asked.seed + nth}, provider: {mode}", flush=True)
            reports.append(
                asyncio.run(
                    run(folder, asked.seed + nth, asked.faults // len(modes), mode, kinds, _say, asked.mutation)
                )
            )
    print(written(reports))
    if asked.report:
        asked.report.write_text(page(reports))
    return 1 if any(one.wrong for one in reports) else 0


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
