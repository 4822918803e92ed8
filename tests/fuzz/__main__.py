"""Fuzz a daemon for as long as you like: ``python -m tests.fuzz --minutes 30``.

It goes through slices of each kind, and looks at the daemon after each. What goes wrong ends it with
code 1, and it says how to do that slice again.
"""

import argparse
import itertools
import secrets
import sys
import time

from tests.fuzz.stage import KINDS, MIB, Stage, staged

CASES = 50  # of a slice
REPORT_SECONDS = 60


def main() -> int:
    """Take the options, and fuzz."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="how long; default: 10")
    parser.add_argument("--kind", choices=KINDS, help="only this; default: all in turn")
    parser.add_argument("--seed", type=int, help="only this one slice; needs --kind")
    options = parser.parse_args()
    if options.seed is not None and options.kind is None:
        parser.error("--seed needs --kind")
    with staged() as stage:
        if options.seed is not None:
            return 0 if _slice(stage, options.kind, options.seed) else 1
        kinds = [options.kind] if options.kind else list(KINDS)
        return _fuzz(stage, kinds, options.minutes * 60)


def _fuzz(stage: Stage, kinds: list[str], seconds: float) -> int:
    begin = said = time.monotonic()
    seed = secrets.randbelow(10**9)
    for slices in itertools.count(1):
        if not _slice(stage, kinds[slices % len(kinds)], seed + slices // len(kinds)):
            return 1
        now = time.monotonic()
        over = now - begin > seconds
        if over or now - said > REPORT_SECONDS:
            said, size = now, stage.size()
            print(
                f"fuzz: {(now - begin) / 60:.1f} minutes, {slices * CASES} cases;"
                f" {size.memory // MIB} MiB, {size.descriptors} descriptors",
                flush=True,
            )
        if over:
            return 0
    return 0


def _slice(stage: Stage, kind: str, seed: int) -> bool:
    """Do one slice; returns whether all is well, and says so if not."""
    try:
        KINDS[kind](stage, seed, CASES)
        stage.check()
    except Exception as error:
        print(f"fuzz: do it again: python -m tests.fuzz --kind {kind} --seed {seed}", flush=True)
        error.add_note(f"in {kind} with the seed {seed}")
        raise
    return True


if __name__ == "__main__":
    sys.exit(main())
