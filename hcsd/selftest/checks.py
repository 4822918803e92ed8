"""What is checked: one function for each check, which returns what it found and raises if it fails."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING

import anyio

from hcsd.abi import types as abi
from hcsd.hcs.schema import ProcessStatus, SignalProcessOptions
from hcsd.selftest.child import running

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hcsd.hcs.host import Host
    from hcsd.hcs.process import ProcessEnd
    from hcsd.hcs.system import ComputeSystem
    from hcsd.selftest.programs import Programs

SIZES = {
    abi.HCS_EVENT: 24,
    abi.HCS_PROCESS_INFORMATION: 32,
}
AT_ONCE = 20
LINES = 20_000  # of a longer output: more than a pipe holds
FEW_LINES = 100


class CheckFailedError(Exception):
    """What was found is not what must be."""


def require(found: object, wanted: object, what: str) -> None:
    """Compare; long values are told by their length.

    Raises:
        CheckFailedError: They differ.
    """
    if found != wanted:
        raise CheckFailedError(f"{what} is {_short(found)} and not {_short(wanted)}")


def _short(value: object) -> str:
    if isinstance(value, bytes) and len(value) > 60:
        return f"{len(value)} bytes, {value[:20]!r} to {value[-20:]!r}"
    return repr(value)


# Of the host


async def exports(host: Host) -> str:
    """All exports that hcsd needs are there: else there were no host to ask."""
    missing = host.library.missing
    return f"engine '{host.engine}'; not in this build: {', '.join(missing) or 'none'}"


async def layouts(_host: Host) -> str:
    """Structures have the sizes of 64-bit Windows."""
    for structure, size in SIZES.items():
        require(memoryview(structure()).nbytes, size, f"size of {structure.__name__}")
    return ", ".join(f"{structure.__name__} {size}" for structure, size in SIZES.items())


async def schema_versions(host: Host) -> str:
    """The service tells its schema versions."""
    return ", ".join(f"{major}.{minor}" for major, minor in await host.schema_versions())


async def systems(host: Host) -> str:
    """The service lists its compute systems."""
    found = [f"'{it.id}' {it.system_type} {it.state}" for it in await host.systems()]
    return "; ".join(found) or "none"


OF_HOST: dict[str, Callable[[Host], Awaitable[str]]] = {
    "exports": exports,
    "layouts": layouts,
    "schema versions": schema_versions,
    "enumerate systems": systems,
}

# Of a running system


async def properties(system: ComputeSystem, _programs: Programs) -> str:
    """A system tells what it is."""
    found = await system.properties()
    return f"{found.system_type}, {found.runtime_os_type or 'no guest named'}, {found.state}"


async def streams(system: ComputeSystem, programs: Programs) -> str:
    """A process comes with a pid and three handles, and prints on two streams."""
    async with running(system, programs.greet()) as child:
        require(child.process.pid > 0, wanted=True, what="having a pid")
        require(all(child.handles), wanted=True, what="having all handles")
        require(await child.outputs(), [b"hello" + programs.line_end] * 2, "output")
        require((await child.end()).exit_code, 0, "exit code")
        return f"pid {child.process.pid}, handles {', '.join(map(hex, child.handles))}"


async def exact_output(system: ComputeSystem, programs: Programs) -> str:
    """A longer output arrives to the last byte."""
    async with running(system, programs.count(LINES)) as child:
        stdout, stderr = await child.outputs()
        require(stdout, counted(LINES, programs.line_end), "stdout")
        require(stderr, b"", "stderr")
        return f"{len(stdout)} bytes"


async def stdin(system: ComputeSystem, programs: Programs) -> str:
    """A process reads what is written to it."""
    line = b"a line of 900 bytes ".ljust(900, b".")
    async with running(system, programs.echo()) as child:
        await child.write(line + programs.line_end)
        require((await child.outputs())[0], line + programs.line_end, "stdout")
        return f"{len(line)} bytes there and back"


async def end_of_stdin(system: ComputeSystem, programs: Programs) -> str:
    """A process that waits for stdin sees its end, when both ends are closed."""
    async with running(system, programs.echo()) as child:
        await child.close_stdin()
        return _told(await child.end())


async def exit_codes(system: ComputeSystem, programs: Programs) -> str:
    """Exit codes arrive unchanged, as unsigned numbers."""
    for code in programs.exit_codes:
        async with running(system, programs.leave(code)) as child:
            require((await child.end()).exit_code, code, "exit code")
    return ", ".join(map(str, programs.exit_codes))


async def status(system: ComputeSystem, programs: Programs) -> str:
    """A process tells its status while it runs and after its exit."""
    async with running(system, programs.echo()) as child:
        before = ProcessStatus.parse(await child.process.properties())
        require(before.exited, wanted=False, what="having exited, while it runs,")
        await child.close_stdin()
        await child.end()
        after = ProcessStatus.parse(await child.process.properties())
        require(after.exited, wanted=True, what="having exited")
        return f"exit code {after.exit_code}"


async def signal(system: ComputeSystem, programs: Programs) -> str:
    """A signal ends a process."""
    async with running(system, programs.echo()) as child:
        await child.process.signal(SignalProcessOptions(programs.signal()).to_json())
        return _told(await child.end())


async def terminate(system: ComputeSystem, programs: Programs) -> str:
    """A process is killed, and killing it again is no error."""
    async with running(system, programs.echo()) as child:
        require((await child.process.terminate()).killed, wanted=True, what="having been alive")
        end = await child.end()
        require(
            (await child.process.terminate()).killed, wanted=False, what="being alive after its end"
        )
        return _told(end)


async def many(system: ComputeSystem, programs: Programs) -> str:
    """Many processes run at once, each with its own output."""
    seconds: list[float] = []

    async def one() -> None:
        started = time.perf_counter()
        async with running(system, programs.count(FEW_LINES)) as child:
            stdout, _ = await child.outputs()
            require(stdout, counted(FEW_LINES, programs.line_end), "stdout")
            require((await child.end()).exit_code, 0, "exit code")
        seconds.append(time.perf_counter() - started)

    async with anyio.create_task_group() as tasks:
        for _ in range(AT_ONCE):
            tasks.start_soon(one)
    return f"{AT_ONCE} at once, {median(seconds):.3f} s each (median)"


async def one_after_another(system: ComputeSystem, programs: Programs) -> str:
    """How long a process takes from its start to its exit."""
    seconds = []
    for _ in range(AT_ONCE):
        started = time.perf_counter()
        async with running(system, programs.leave(0)) as child:
            await child.end()
        seconds.append(time.perf_counter() - started)
    return f"{median(seconds) * 1000:.1f} ms from start to exit (median of {AT_ONCE})"


def counted(last: int, line_end: bytes) -> bytes:
    """Return what `Programs.count` prints."""
    return b"".join(b"%d%b" % (number, line_end) for number in range(1, last + 1))


def _told(end: ProcessEnd) -> str:
    if end.exit_code is None:
        raise CheckFailedError(f"the exit code is not known: {end.message}")
    return f"exit code {end.exit_code}" + (f", signal {end.signal}" if end.signal else "")


OF_SYSTEM: dict[str, Callable[[ComputeSystem, Programs], Awaitable[str]]] = {
    "properties": properties,
    "process and its streams": streams,
    "exact output": exact_output,
    "stdin": stdin,
    "end of stdin": end_of_stdin,
    "exit codes": exit_codes,
    "status": status,
    "signal": signal,
    "terminate": terminate,
    "many at once": many,
    "one after another": one_after_another,
}
