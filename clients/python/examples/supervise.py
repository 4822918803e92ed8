"""Run a command until it succeeds, over restarts of the daemon, and give up after three failures."""

import asyncio
import sys
from contextlib import suppress

from hcsd.v1.event_pb2 import PROCESS_EVENT_TYPE_EXITED
from hcsd_client import Client, DaemonRestartedError


async def main() -> None:
    async with Client() as client, client.watch_events(send_snapshot=True) as events:
        worker, failures, labels = "", 0, {"app": "worker"}
        async for message in events:
            event = message.event.process
            if event.type == PROCESS_EVENT_TYPE_EXITED and event.process.name == worker:
                print("ended with", code := event.process.exit.exit_code, flush=True)
                if code == 0 or (failures := failures + 1) == 3:
                    sys.exit(code)
            elif not message.snapshot.complete:  # one is: at first, and after a restart
                continue
            with suppress(DaemonRestartedError):  # then another snapshot comes
                found = client.list_processes(labels=labels)
                worker = "".join([each.name async for each in found if not each.HasField("exit")])
                if not worker:
                    worker = (await client.create(sys.argv[1:], labels=labels)).name
                    print("started", flush=True)


asyncio.run(main())
