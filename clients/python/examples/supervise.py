"""Keep a worker running: start it again whenever it ends with a failure, three times at most."""

import asyncio
import sys

from hcsd.v1.event_pb2 import PROCESS_EVENT_TYPE_EXITED
from hcsd_client import Client, RemoteProcess


async def start(client: Client, number: int) -> RemoteProcess:
    print("start", number, flush=True)
    script = f"sleep 0.1; exit {0 if number == 3 else 5}"
    return await client.create(["sh", "-c", script], labels={"app": "worker"})


async def main() -> int:
    async with Client() as client, client.watch_events() as events:
        await anext(events)  # from here on nothing is missed
        number, worker = 1, await start(client, 1)
        while True:
            event = (await anext(events)).event.process
            if event.type == PROCESS_EVENT_TYPE_EXITED and event.process.name == worker.name:
                print("ended with", code := event.process.exit.exit_code, flush=True)
                if code == 0 or number == 3:
                    return code
                number, worker = number + 1, await start(client, number + 1)


sys.exit(asyncio.run(main()))
