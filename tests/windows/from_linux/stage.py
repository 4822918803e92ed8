"""What a client does in a plan, and how what it has seen is put into words.

An act makes what it needs, arms the double with the rules of its plan, does its calls and returns what
they answered, as text that the plan's row can be held against: ``ok``, or the code and the reason of a
refusal; and how a process ended.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import anyio
import grpc

from hcsd.v1 import process_pb2 as pb
from hcsd.v1 import process_service_pb2 as service_pb
from tests.integration.test_systems import Systems
from tests.integration.wire import Refusal, check_refusal, seconds

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.integration.wire import Client, Output
    from tests.windows.from_linux.asked_double import AskedDouble
    from tests.windows.plans import Plan

PIPE = pb.ProcessSpec(stdin_mode=pb.STDIN_MODE_PIPE, drain_timeout=seconds(0.3))
CONSOLE = pb.ProcessSpec(console=pb.Console(columns=80, rows=25), drain_timeout=seconds(0.3))
QUICK = pb.ProcessSpec(drain_timeout=seconds(0.3))
BASIC = '{"PropertyTypes": ["Basic"]}'
CTRL_C = pb.ProcessSignal(console_event=pb.CONSOLE_EVENT_CTRL_C)


def guest(*words: str) -> pb.Argv:
    return pb.Argv(args=[os.environ["HCSD_GUEST"], *words])


async def told(call: Awaitable[object]) -> str:
    """Put into words how a call ended."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        refusal = Refusal(error)
        check_refusal(refusal)
        return f"{refusal.code.name} {refusal.reason}"
    return "ok"


def end_of(process: pb.Process) -> str:
    """Put into words how a process ended."""
    kind = process.exit.WhichOneof("outcome")
    if kind == "exit_code":
        return f"exit {process.exit.exit_code}"
    if kind == "unknown":
        state = pb.ProcessState.Name(process.state).removeprefix("PROCESS_STATE_").lower()
        return f"{state}, unknown 0x{process.exit.unknown.hresult:08X}"
    return f"{kind or 'no end'}"


def text_of(output: Output) -> str:
    """Put into words all that was read of a process."""
    assert output.exit is not None
    forced = " forced" if any(eof.forced for eof in output.eofs.values()) else ""
    words = (output.stdout + b" " + output.stderr).decode().strip()
    kind = output.exit.WhichOneof("outcome")
    code = output.exit.exit_code if kind == "exit_code" else kind
    return f"{words} exit {code}{forced}".strip()


class Stage:
    """A plan on its way.

    Args:
        plan: The row.
        client: Of the daemon.
        double: Behind the daemon.
    """

    def __init__(self, plan: Plan, client: Client, double: AskedDouble) -> None:
        self.plan = plan
        self.client = client
        self.double = double
        self.systems = Systems(client)

    async def arm(self) -> None:
        """Give the double the rules of the plan."""
        await anyio.to_thread.run_sync(self.double.script, *self.plan.rules)

    async def next(self, **values: object) -> None:
        """Give it those that come later instead; `values` fill what stands in <> there."""
        await self.disarm()
        text = json.dumps(self.plan.later)
        for name, value in values.items():
            text = text.replace(f"<{name}>", str(value))
        await anyio.to_thread.run_sync(self.double.script, *json.loads(text))

    async def disarm(self) -> None:
        """Forget the rules, and let go of what waits because of them."""
        await anyio.to_thread.run_sync(self.double.reset)

    async def disconnect(self) -> None:
        await anyio.to_thread.run_sync(self.double.disconnect)

    async def sleeper(self, *words: str, spec: pb.ProcessSpec | None = None) -> pb.Process:
        return await self.client.create(guest(*(words or ("sleep",))), spec=spec)

    async def waited(self, process: pb.Process) -> str:
        return end_of(await self.client.wait(process.name))

    async def write(self, process: pb.Process) -> None:
        """Write a byte to the input of a process, which needs no service. It may end by that."""
        request = service_pb.WriteInputRequest(name=process.name, data=b"x")
        assert await told(self.client.processes.WriteInput(request)) in {
            "ok",
            "FAILED_PRECONDITION PROCESS_NOT_RUNNING",
            "FAILED_PRECONDITION STDIN_CLOSED",
        }


async def until(
    condition: Callable[[], Awaitable[bool]], what: str, patience: float = 20.0
) -> None:
    """Wait for something that nobody tells of."""
    with anyio.move_on_after(patience):
        while True:
            if await condition():
                return
            await anyio.sleep(0.02)  # so that the asking is not what costs most
    raise AssertionError(f"not within {patience:g} s: {what}")


async def until_quiet(stage: Stage, process: pb.Process) -> None:
    """Wait until a process has ended, as the end of its output shows, whatever HCS says of it."""

    async def quiet() -> bool:
        found = await stage.client.get(process.name)
        return found.stdout.closed and found.stderr.closed

    await until(quiet, f"the output of {process.name} ends")


ACTS: dict[str, Callable[[Stage], Awaitable[str]]] = {}


def act(function: Callable[[Stage], Awaitable[str]]) -> Callable[[Stage], Awaitable[str]]:
    """Give an act its name: that of the function, with spaces."""
    ACTS[function.__name__.replace("_", " ")] = function
    return function
