"""Questions about the pipes of a process, and about getting them again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcsd.hcs.errors import HcsError
from hcsd.selftest.question import Answer, Question
from hcsd.selftest.windows import bind, pipe_facts, same_object

if TYPE_CHECKING:
    from hcsd.abi.types import HCS_PROCESS
    from hcsd.hcs.operation import ProcessInfo
    from hcsd.selftest.asking import Asking

STREAMS = ("stdin", "stdout", "stderr")
OVERLAPPED = {True: "overlapped", False: "synchronous", None: "overlapped or not"}


def streams(info: ProcessInfo) -> dict[str, int]:
    """Return the handles that there are, by the names of their streams."""
    handles = zip(STREAMS, (info.stdin, info.stdout, info.stderr), strict=True)
    return {name: handle for name, handle in handles if handle}


async def _again(it: Asking, handle: HCS_PROCESS) -> ProcessInfo:
    """Ask for process information; its handles are closed at the end.

    Raises:
        HcsError: HCS refused it.
    """
    done = await it.run(
        lambda operation: it.library.HcsGetProcessInfo(handle, operation), info=True
    )
    if done.info is None:
        assert done.error is not None  # noqa: S101  (one of both)
        raise done.error
    for other in streams(done.info).values():
        it.keep_handle(other)
    return done.info


def _compare(first: dict[str, int], again: dict[str, int]) -> str:
    if not again:
        return "none"
    same = [same_object(first[name], handle) for name, handle in again.items()]
    if all(same):
        return "the same pipes"
    return "other pipes" if not any(same) and None not in same else "some"


async def stdio_again(it: Asking) -> Answer:
    """Re-open a process and ask for its information."""
    process = await it.start(it.programs.echo(), read=False)
    try:
        info = await _again(it, it.open_process(process.pid))
    except HcsError as error:
        return Answer(error.code.symbol, {"text": error.text})
    given, again = streams(process.info), streams(info)
    return Answer(_compare(given, again), {"given": sorted(given), "again": sorted(again)})


async def stdio_once_more(it: Asking) -> Answer:
    """Ask for the information of a process that was re-opened twice."""
    process = await it.start(it.programs.echo(), read=False)
    handle = it.open_process(process.pid)
    counts: list[object] = []
    for _ in range(3):
        try:
            counts.append(len(streams(await _again(it, handle))))
        except HcsError as error:
            counts.append(error.code.symbol)
    first, *others = counts
    if not first:
        said = "never"
    elif all(count == first for count in others):
        said = "every time"
    else:
        said = "once"
    return Answer(said, {"handles": counts})


async def stdio_bind(it: Asking) -> Answer:
    """Bind the pipes of a create to completion ports, then those of a re-opened process."""
    process = await it.start(it.programs.echo(), read=False)
    first = {name: bind(handle) for name, handle in streams(process.info).items()}
    try:
        info = await _again(it, it.open_process(process.pid))
    except HcsError as error:
        return Answer(error.code.symbol, {"first": first})
    again = {name: bind(handle) for name, handle in streams(info).items()}
    said = "no handles" if not again else "bound" if set(again.values()) == {"bound"} else "refused"
    return Answer(said, {"first": first, "again": again})


async def pipe_kind(it: Asking) -> Answer:
    """Look at the pipes of a create."""
    process = await it.start(it.programs.echo(), read=False)
    found = {name: pipe_facts(handle) for name, handle in streams(process.info).items()}
    modes = {fact.mode for fact in found.values() if fact.mode}  # a writing end may not tell
    kinds = {OVERLAPPED[fact.overlapped] for fact in found.values()}
    details: dict[str, object] = {name: fact._asdict() for name, fact in found.items()}
    return Answer(", ".join([*sorted(modes), *sorted(kinds)]) or "no pipes", details)


async def pipe_room(it: Asking) -> Answer:
    """Read what the buffers of the pipes hold."""
    process = await it.start(it.programs.echo(), read=False)
    found = {name: pipe_facts(handle) for name, handle in streams(process.info).items()}
    rooms = {name: max(fact.out_bytes, fact.in_bytes) for name, fact in found.items() if fact.mode}
    said = ", ".join(f"{name} {room}" for name, room in rooms.items())
    return Answer(said or "no pipe tells")


async def stdio_not_asked(it: Asking) -> Answer:
    """Start a process without stdin and stderr, and look at the handles."""
    process = await it.start(it.programs.greet(), pipes="o")
    said = ", ".join(streams(process.info)) or "no handles"
    return Answer(said)


async def console_streams(it: Asking) -> Answer:
    """Start a process with a console and all three pipes, and look at the handles."""
    process = await it.start(it.programs.echo() | {"EmulateConsole": True})
    return Answer(", ".join(streams(process.info)) or "no handles")


QUESTIONS = (
    Question(
        "stdio-again",
        "Does HcsGetProcessInfo give the stdio handles of a process that was opened again?",
        "no limit of the call; hcsshim calls what it gives duplicates of the"
        " same pipes, and does not ask after a create that succeeded",
        ("none",),
        "keeps the handles of the create, and asks again only after a create that seems to have"
        " failed; output that an earlier daemon has not read is lost",
        "HcsOpenProcess by a second system handle, HcsGetProcessInfo, CompareObjectHandles",
        stdio_again,
    ),
    Question(
        "stdio-once-more",
        "Does HcsGetProcessInfo give stdio handles once, or every time that it is asked?",
        "nothing",
        ("never",),
        "never asks twice",
        "three times HcsGetProcessInfo on a process that was opened again",
        stdio_once_more,
    ),
    Question(
        "stdio-bind",
        "Can stdio handles that were given again be bound to a completion port?",
        "a file can be bound once, by whichever of its handles; hcsshim says that they cannot",
        ("no handles",),
        "binds the handles of the create alone",
        "CreateIoCompletionPort for the handles of the create, then for those of HcsGetProcessInfo",
        stdio_bind,
    ),
    Question(
        "pipe-kind",
        "Are the stdio pipes in byte mode, and are their handles overlapped?",
        "nothing; hcsshim treats them as overlapped",
        ("byte, overlapped",),
        "reads and writes with an OVERLAPPED; an empty message is not taken for the end",
        "GetNamedPipeInfo, NtQueryInformationFile with FileModeInformation",
        pipe_kind,
    ),
    Question(
        "pipe-room",
        "How much do the buffers of the stdio pipes hold, in bytes?",
        "nothing",
        (),
        "reads at once, and never has more than 64 KiB of a write under way",
        "GetNamedPipeInfo: the larger of the two sizes of each pipe",
        pipe_room,
    ),
    Question(
        "stdio-not-asked",
        "Which handles come for a process that asked for stdout alone?",
        "a handle for each stream that was asked for",
        ("stdout",),
        "takes NULL and INVALID_HANDLE_VALUE for no stream, and reads whatever else comes",
        "HcsCreateProcess with CreateStdOutPipe only; what is NULL or INVALID_HANDLE_VALUE is none",
        stdio_not_asked,
    ),
    Question(
        "console-streams",
        "Which handles come for a process with a console that asked for all three?",
        "CreateStdErrPipe is ignored with EmulateConsole",
        ("stdin, stdout",),
        "asks for no stderr with a console, and reads whatever comes",
        "HcsCreateProcess with EmulateConsole and all three pipes",
        console_streams,
    ),
)
