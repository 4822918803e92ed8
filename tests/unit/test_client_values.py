"""Every argument of the Python client: what is of another kind is named before anything is sent."""

import inspect
import subprocess
from asyncio import create_subprocess_exec
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path

import pytest

import hcsd_client
from hcsd.v1 import process_pb2 as pb
from hcsd_client import BadNameError, Client, RemoteProcess, Run, blocking
from hcsd_client._keywords import ProcessKeywords
from hcsd_client._subprocess import INSTEAD

NAME = "systems/host/processes/x"
# What a method must be given, so that only one argument is wrong.
REQUIRED: dict[str, object] = {
    "command": ["x"],
    "configuration_json": "{}",
    "columns": 80,
    "data": b"x",
    "name": "x",
    "pid": 1,
    "process_id": "x",
    "rows": 24,
    "settings_json": "{}",
    "signal": "TERM",
    "stream": pb.OUTPUT_STREAM_STDOUT,
    "system_id": "x",
}
# One of several that exclude each other.
EXCLUDES = {
    "parameters_json": "command",
    "console_size": "",
    "close_handles": "",
    "modification_json": "",
}
ONE_OF = {"modify_process": {"console_size": (80, 24)}}
FUNCTIONS = ["parse_address", "process_name", "system_name", "Retry", "Client"]


def keywords_of(method: object) -> Iterator[str]:
    for name, parameter in inspect.signature(method).parameters.items():  # type: ignore[arg-type]
        if parameter.kind is parameter.VAR_KEYWORD:
            yield from sorted(ProcessKeywords.__optional_keys__)
        elif name != "self":
            yield name


def arguments_of(method: object, method_name: str, wrong: str) -> dict[str, object]:
    given = {
        name: REQUIRED[name]
        for name, parameter in inspect.signature(method).parameters.items()  # type: ignore[arg-type]
        if name in REQUIRED and (parameter.default is parameter.empty or name == "command")
    }
    if wrong == "parameters_json":
        given.pop("command", None)
    if wrong not in ONE_OF.get(method_name, {}) and wrong == "name":
        given |= ONE_OF.get(method_name, {})
    return given | {wrong: object()}


async def carry_out(result: object) -> None:
    """Do what the result of a call stands for."""
    if isinstance(result, AbstractAsyncContextManager) and not isinstance(result, Run):
        await result.__aenter__()
    elif isinstance(result, AsyncIterator):
        await anext(result)
    elif inspect.isawaitable(result):
        await result


def methods(kind: type) -> list[str]:
    return [
        name
        for name, method in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_") and method.__module__.startswith("hcsd_client")
    ]


KINDS = {"client": Client, "process": RemoteProcess, "run": Run}
CASES = [
    (where, method, keyword)
    for where, kind in [
        *KINDS.items(),
        ("process.stdin", hcsd_client.RemoteInput),
        ("process.stdout", hcsd_client.RemoteOutput),
    ]
    for method in methods(kind)
    for keyword in keywords_of(getattr(kind, method))
    if method != "watch_events"
]


@pytest.mark.parametrize(("where", "method", "keyword"), CASES)
async def test_each_keyword_of_each_method_is_checked(
    where: str, method: str, keyword: str
) -> None:
    async with Client("unix:///nowhere") as client:
        process = client._process(pb.Process(name=NAME), stdin_offset=0)
        places = {
            "client": client,
            "process": process,
            "process.stdin": process.stdin,
            "process.stdout": process.stdout,
            "run": client.attach_process("x"),
        }
        call = getattr(places[where], method)
        with pytest.raises(
            (TypeError, ValueError), match=rf"\b{keyword}\b.* is .*; give "
        ) as caught:
            await carry_out(call(**arguments_of(call, method, keyword)))
        assert "object object" in str(caught.value)


@pytest.mark.parametrize(
    ("function", "keyword"),
    [(name, keyword) for name in FUNCTIONS for keyword in keywords_of(getattr(hcsd_client, name))],
)
@pytest.mark.parametrize("module", [hcsd_client, blocking], ids=["async", "blocking"])
def test_each_argument_of_each_function_is_checked(
    module: object, function: str, keyword: str
) -> None:
    call = getattr(module, function, None) or getattr(hcsd_client, function)
    named = "address" if (function, keyword) == ("parse_address", "text") else keyword
    with pytest.raises((TypeError, ValueError), match=rf"^{named} is .*; give "):
        call(**arguments_of(call, function, keyword))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: Client(3),  # type: ignore[arg-type]
            "address is 3, of type int; give text, as 'unix:///path/to/socket'",
        ),
        (
            lambda: Client(retry=3),  # type: ignore[arg-type]
            "retry is 3, of type int; give a Retry, as Retry(attempts=3)",
        ),
        (
            lambda: Client(keepalive="x"),  # type: ignore[arg-type]
            "keepalive is 'x', of type str; give seconds",
        ),
        (lambda: Client(keepalive=-1), "keepalive is -1; give 0 or more seconds"),
        (
            lambda: Client(channel_options=["a"]),  # type: ignore[list-item]
            "channel_options[0] is 'a', of type str",
        ),
        (lambda: hcsd_client.Retry(attempts=-1), "attempts is -1; give 0 or more"),
    ],
)
def test_what_a_client_is_made_of_is_checked(make: object, said: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        make()  # type: ignore[operator]
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda client: client.terminate_process("x", scope="tree"),
            "scope is 'tree', of type str; give TERMINATE_SCOPE_PROCESS or TERMINATE_SCOPE_TREE",
        ),
        (lambda client: client.delete_process("x", scope=77), "scope is 77; give TERMINATE_SCOPE"),
        (lambda client: client.write_input("x", "text"), "data is 'text', of type str; give bytes"),
        (lambda client: client.open_process(-1), "pid is -1; give 0 or more"),
        (lambda client: client.list_systems(ids="host"), "ids is 'host', of type str; give a list"),
        (
            lambda client: client.read_output("x", cursors=[3]),
            "cursors[0] is 3, of type int; give a message OutputCursor of hcsd.v1",
        ),
        (
            lambda client: client.create(stdin=True, parameters_json="{}"),
            "'stdin' is for a command: a document says that itself",
        ),
    ],
)
async def test_the_kind_that_is_wanted_is_said(call: object, said: str) -> None:
    async with Client("unix:///nowhere") as client:
        with pytest.raises((TypeError, ValueError)) as caught:
            await carry_out(call(client))  # type: ignore[operator]
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("create", {"command": ["x"], "process_id": NAME}),
        ("exec", {"command": ["x"], "parent": NAME}),
        ("open_process", {"pid": 1, "process_id": NAME}),
        ("create_system", {"configuration_json": "{}", "system_id": "systems/x"}),
        ("list_systems", {"ids": ["systems/x"]}),
        ("open", {"name": "systems/host"}),
        ("modify_process", {"name": "systems/host", "console_size": (1, 1)}),
        ("get_system", {"name": NAME}),
    ],
)
async def test_a_name_of_another_kind_is_refused(method: str, arguments: dict[str, object]) -> None:
    async with Client("unix:///nowhere") as client:
        with pytest.raises(BadNameError, match=r"; give (the id|a name)"):
            await carry_out(getattr(client, method)(**arguments))


def test_a_time_without_a_zone_is_local() -> None:
    client = Client("unix:///nowhere")
    assert client.address.path == "/nowhere"
    moment = datetime(2026, 1, 1)  # noqa: DTZ001  (that is what is tested)
    assert hcsd_client._values.moment(moment, "since").timestamp() == moment.timestamp()  # type: ignore[union-attr]


def parameters_of_subprocess() -> set[str]:
    functions = subprocess.Popen.__init__, subprocess.run, create_subprocess_exec
    names = {name for one in functions for name in inspect.signature(one).parameters}
    return names - {"self", "kwds", "popenargs", "kwargs"}


def test_each_parameter_of_subprocess_is_a_keyword_or_has_another_place() -> None:
    ours = set(keywords_of(Client.exec)) | set(keywords_of(Client.run))
    assert parameters_of_subprocess() == (ours & parameters_of_subprocess()) | set(INSTEAD)
    assert not ours & set(INSTEAD)


def test_the_manual_has_each_parameter_of_subprocess() -> None:
    page = Path(hcsd_client.__file__).parents[3].joinpath("hcsd/docs/clients.md").read_text("utf-8")
    table = page.partition("### Python for users of subprocess")[2].partition("\n### ")[0]
    rows = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    assert parameters_of_subprocess() == {
        name.strip("` ") for row in rows for name in row.split(",")
    }
