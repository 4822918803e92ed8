"""Questions about operations: when and where they complete, and what may be done with one."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from hcsd.abi.functions import BY_NAME
from hcsd.abi.hresult import describe
from hcsd.abi.types import PWSTR
from hcsd.hcs.errors import HcsError
from hcsd.hcs.operation import ProcessInfo
from hcsd.selftest.question import Answer, NotHereError, Question

if TYPE_CHECKING:
    from hcsd.abi.types import HCS_OPERATION
    from hcsd.hcs.library import Library
    from hcsd.selftest.asking import Asking

OPERATIONS = 20


async def completion_early(it: Asking) -> Answer:
    """Run quick operations and compare the times."""
    early = 0
    for _ in range(OPERATIONS):
        done = await it.run(lambda op: it.library.HcsEnumerateComputeSystems(None, op))
        early += done.completed < done.returned
    return Answer("seen" if early else "never seen", {"early": early, "of": OPERATIONS})


async def callback_threads(it: Asking) -> Answer:
    """Count the threads that brought completions and events since the self-test began."""
    for _ in range(OPERATIONS):
        await it.run(lambda op: it.library.HcsEnumerateComputeSystems(None, op))
    counts = sorted(it.subject.seen.threads.values(), reverse=True)
    said = "one thread" if len(counts) == 1 else "several threads"
    return Answer(said, {"callbacks_of_each": counts})


async def result_twice(it: Asking) -> Answer:
    """Fetch the result of one operation twice."""
    library = it.library
    operation: HCS_OPERATION = library.HcsCreateOperation(None, None)
    try:
        library.HcsEnumerateComputeSystems(None, operation)
        first = library.HcsWaitForOperationResult(operation, int(it.seconds(5000)))
        try:
            second = library.HcsGetOperationResult(operation)
        except HcsError as error:
            return Answer(error.code.symbol)
    finally:
        library.HcsCloseOperation(operation)
    return Answer("the same again" if second == first else "no document" if not second else "other")


async def info_twice(it: Asking) -> Answer:
    """Fetch the process information of one create twice."""
    library = it.library
    operation: HCS_OPERATION = library.HcsCreateOperation(None, None)
    found = []
    try:
        document = json.dumps(it.programs.echo() | {"CreateStdOutPipe": True})
        process = library.HcsCreateProcess(it.open_system(), document, operation, None)
        it.close_later(process)
        for _ in range(2):
            raw, _document = library.HcsWaitForOperationResultAndProcessInfo(
                operation, int(it.seconds(5000))
            )
            found.append(it.note(process, ProcessInfo.of(raw)).info.stdout)
    except HcsError as error:
        return Answer(error.code.symbol, {"fetched": len(found)})
    finally:
        library.HcsCloseOperation(operation)
    return Answer("a handle again" if found[1] else "no handle", {"stdout": list(map(bool, found))})


async def cancel(it: Asking) -> Answer:
    """Cancel an operation that has been started."""
    library = it.library
    if "HcsCancelOperation" in library.missing:
        raise NotHereError("this build has no HcsCancelOperation")
    operation: HCS_OPERATION = library.HcsCreateOperation(None, None)
    said = "S_OK"
    try:
        library.HcsEnumerateComputeSystems(None, operation)
        try:
            library.HcsCancelOperation(operation)
        except HcsError as error:
            said = error.code.symbol
        try:
            library.HcsWaitForOperationResult(operation, int(it.seconds(5000)))
            after = "S_OK"
        except HcsError as error:
            after = error.code.symbol
    finally:
        library.HcsCloseOperation(operation)
    return Answer(said, {"result_of_the_operation": after})


def _raw(library: Library, name: str, *arguments: object) -> object:
    """Call an export without what `Library` does about its strings."""
    row = BY_NAME[name]
    return row.prototype(library.provider.address(row))(*arguments)


async def free_document(it: Asking) -> Answer:
    """Free a document with LocalFree and look at what that answers."""
    text = PWSTR()
    query = '{"PropertyTypes":["Basic"]}'
    result = _raw(it.library, "HcsGetServiceProperties", query, text)
    assert isinstance(result, int)  # noqa: S101  (an HRESULT)
    if result < 0:
        return Answer(describe(result).symbol)
    length = len(text.text or "")
    left = _raw(it.library, "LocalFree", text)
    freed = not getattr(left, "value", None)  # NULL
    return Answer("freed" if freed else "refused", {"characters": length})


async def operation_again(it: Asking) -> Answer:
    """Use one operation twice."""
    library = it.library
    operation: HCS_OPERATION = library.HcsCreateOperation(None, None)
    outcomes: Counter[str] = Counter()
    try:
        for _ in range(2):
            try:
                library.HcsEnumerateComputeSystems(None, operation)
                library.HcsWaitForOperationResult(operation, int(it.seconds(5000)))
                outcomes["S_OK"] += 1
            except HcsError as error:
                outcomes[error.code.symbol] += 1
    finally:
        library.HcsCloseOperation(operation)
    return Answer("yes" if outcomes["S_OK"] == 2 else next(k for k in outcomes if k != "S_OK"))


QUESTIONS = (
    Question(
        "completion-early",
        "Can a completion come before the call that starts the operation has returned?",
        "nothing",
        (),
        "is ready for a completion before it makes the call",
        f"{OPERATIONS} enumerations; the times as Python sees them, so a few microseconds may be"
        " wrong",
        completion_early,
        of_host=True,
    ),
    Question(
        "callback-threads",
        "On how many threads do completions and events come?",
        "nothing",
        (),
        "takes them on any thread, and serves them on one of its own",
        f"{OPERATIONS} enumerations, and what the questions before this one have brought",
        callback_threads,
        of_host=True,
    ),
    Question(
        "result-twice",
        "What does a second HcsGetOperationResult of one operation give?",
        "nothing",
        ("the same again",),
        "fetches each result once",
        "HcsWaitForOperationResult, then HcsGetOperationResult",
        result_twice,
        of_host=True,
    ),
    Question(
        "info-twice",
        "Does a second fetch of the process information of one create give handles again?",
        "nothing",
        ("no handle",),
        "fetches each result once",
        "HcsWaitForOperationResultAndProcessInfo twice",
        info_twice,
    ),
    Question(
        "operation-again",
        "Can an operation be used again when its result has been fetched?",
        "a tutorial of the reference does so",
        ("yes",),
        "makes an operation for each call",
        "two enumerations with one operation",
        operation_again,
        of_host=True,
    ),
    Question(
        "cancel",
        "What does HcsCancelOperation answer?",
        "E_NOTIMPL, always",
        ("E_NOTIMPL",),
        "does not rely on it: what has been started may happen",
        "HcsCancelOperation on an enumeration that has been started",
        cancel,
        of_host=True,
    ),
    Question(
        "free-document",
        "Does LocalFree take the documents that HCS gives out?",
        "yes; hcsshim frees them with CoTaskMemFree",
        ("freed",),
        "frees them with LocalFree",
        "LocalFree of what HcsGetServiceProperties gave; it answers NULL for what it has freed",
        free_document,
        of_host=True,
    ),
)
