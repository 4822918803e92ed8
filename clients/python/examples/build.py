"""Run the steps of a build side by side, each line behind the name of its step, with a limit of time."""

import asyncio
import sys

from hcsd_client import Client

STEPS = {
    "lint": "echo checking; sleep 0.1; echo clean",
    "test": "echo 3 tests; sleep 0.2; echo 1 failed >&2; exit 1",
    "docs": "echo waiting for a lock; sleep 1000",
}


async def run(client: Client, name: str, script: str) -> bool:
    async with client.run(["sh", "-c", script], timeout=2) as process:
        async for line in process.lines():
            print(f"{name} | {line.text}", flush=True)
        done = await process.communicate()
    print(f"{name} | {'took too long' if done.timed_out else f'code {done.exit_code}'}")
    return done.exit_code == 0 and not done.timed_out


async def main() -> int:
    async with Client() as client:
        done = await asyncio.gather(*(run(client, name, step) for name, step in STEPS.items()))
    return 0 if all(done) else 1


sys.exit(asyncio.run(main()))
