"""Kill daemons for as long as you like: ``python -m tests.restore --kills 300``.

It says what a daemon breaks, with the seed, and ends with code 1. `--load` plays a part of it, `--kills 0`
none of the kills.
"""

import argparse
import logging
import secrets
import sys

import anyio

from tests.restore.loads import LOADS
from tests.restore.play import play
from tests.support import commands
from tests.support.chaos import BrokenPromiseError
from tests.support.restarts import place


def main() -> int:
    """Take the options, and play."""
    parser = argparse.ArgumentParser(prog="python -m tests.restore", description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="how many; default: 50")
    parser.add_argument("--seconds", type=float, default=1, help="how long, without kills")
    parser.add_argument("--load", choices=LOADS, action="append", help="only this; may be repeated")
    parser.add_argument("--seed", type=int, help="default: by chance")
    parser.add_argument("--no-failpoints", action="store_true", help="kill by signals alone")
    parser.add_argument("--log", action="store_true", help="show what the last daemon logged")
    options = parser.parse_args()
    seed = secrets.randbelow(10**9) if options.seed is None else options.seed
    logging.basicConfig(level=logging.WARNING)
    print(f"restore: seed {seed}", flush=True)
    try:
        return _play(options, seed)
    finally:
        commands.stop_server()


def _play(options: argparse.Namespace, seed: int) -> int:
    with place() as here:

        async def run() -> None:
            played = await play(
                here,
                seed=seed,
                kills=options.kills,
                seconds=options.seconds,
                loads=options.load or tuple(LOADS),
                failpoints=not options.no_failpoints,
            )
            print(f"restore: all is well; {played}")

        try:
            anyio.run(run)
        except BrokenPromiseError as error:
            print(f"restore: BROKEN: {error}")
            return 1
        finally:
            if options.log:
                print(here.daemon.log)
    return 0


if __name__ == "__main__":
    sys.exit(main())
