"""What a ProcessParameters document starts, and what it is refused for."""

import json
import re

import anyio
import anyio.lowlevel
import pytest

from hcsd.abi.hresult import HR
from hcsd.hcs.errors import (
    ElementNotFoundError,
    HcsError,
    InvalidDocumentError,
    NotSupportedError,
    SystemNotFoundError,
)
from hcsd.hcs.host import Host
from hcsd.hcs.system import ComputeSystem
from tests.support.guest import Guest, Parameters, PosixGuest
from tests.support.running import run, running
from tests.support.traits import Trait

pytestmark = pytest.mark.anyio


async def refusal(system: ComputeSystem, parameters: Parameters | str) -> HcsError:
    """The error with which the start of a process fails."""
    text = parameters if isinstance(parameters, str) else json.dumps(parameters)
    with pytest.raises(HcsError) as caught:
        await system.create_process(text)
    where = f"in system '{system.id}'"
    assert re.fullmatch(f"create process ('.+' )?{where}", caught.value.subject, re.DOTALL)
    return caught.value


async def test_what_is_missing_is_told_by_the_code(system: ComputeSystem, guest: Guest) -> None:
    program: Parameters = {"ApplicationName": guest.missing_program, "CommandLine": "x"}
    assert (await refusal(system, program)).hresult == HR.ERROR_FILE_NOT_FOUND
    directory = guest.exits(0) | {"WorkingDirectory": guest.missing_directory}
    assert (await refusal(system, directory)).hresult == HR.ERROR_DIRECTORY


@pytest.mark.needs(Trait.STRICT)
async def test_a_missing_program_is_named(system: ComputeSystem, guest: Guest) -> None:
    error = await refusal(system, {"ApplicationName": guest.missing_program, "CommandLine": "x"})
    assert guest.missing_program in str(error)
    assert error.document is not None


@pytest.mark.needs(Trait.STRICT)
async def test_a_missing_directory_is_named_rather_than_the_program(
    system: ComputeSystem, guest: Guest
) -> None:
    error = await refusal(system, guest.exits(0) | {"WorkingDirectory": guest.missing_directory})
    assert guest.missing_directory in str(error)


async def test_a_start_that_failed_leaves_a_system_that_starts_the_next(
    system: ComputeSystem, guest: Guest
) -> None:
    await refusal(system, {"ApplicationName": guest.missing_program, "CommandLine": "x"})
    assert await run(system, guest.prints("next")) == (0, b"next", b"")


async def test_an_unknown_system_is_not_found(host: Host) -> None:
    with pytest.raises(SystemNotFoundError) as caught:
        await host.open_system("no-such-system")
    assert caught.value.hresult == 0x8037010E


async def test_an_unknown_pid_is_not_found(system: ComputeSystem) -> None:
    with pytest.raises(ElementNotFoundError):
        await system.open_process(0x7FFFFFFF)


async def test_a_pid_outside_the_system_is_not_found(system: ComputeSystem) -> None:
    with pytest.raises(ElementNotFoundError):
        await system.open_process(1)


@pytest.mark.needs(Trait.STRICT)
@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '"text"',
        "{}",
        '{"CommandLine":7}',
        '{"CommandLine":""}',
        "[" * 100_000,
    ],
    ids=["nothing", "half", "array", "null", "string", "empty", "type", "blank", "deep"],
)
async def test_malformed_parameters_are_refused_with_a_reason(
    system: ComputeSystem, text: str
) -> None:
    error = await refusal(system, text)
    assert isinstance(error, InvalidDocumentError)
    assert error.hresult == 0x8037010D
    assert error.events
    assert error.text == error.events[0].message != ""


@pytest.mark.needs(Trait.STRICT)
async def test_an_unknown_member_is_refused_by_name(system: ComputeSystem, guest: Guest) -> None:
    error = await refusal(system, guest.exits(0) | {"UseLowPriorityStandbyMemory": True})
    assert error.hresult == HR.INVALID_JSON
    assert "UseLowPriorityStandbyMemory" in str(error)


@pytest.mark.parametrize("member", ["RestrictedToken", "UseExistingLogin", "UseLegacyConsole"])
async def test_what_a_posix_host_cannot_honour_is_refused_by_name(
    system: ComputeSystem, posix: PosixGuest, member: str
) -> None:
    error = await refusal(system, posix.exits(0) | {member: True})
    assert isinstance(error, NotSupportedError)
    assert error.hresult == 0x80070032
    assert member in str(error)
    assert (await run(system, posix.exits(0) | {member: False})).code == 0


async def test_a_command_line_is_split_as_a_shell_would_without_a_shell(
    system: ComputeSystem, posix: PosixGuest
) -> None:
    line = r"""printf '[%s]\n' "two words" it\'s '$HOME' "*" a""b ''"""
    result = await run(system, {"CommandLine": line})
    assert result.out.decode().splitlines() == [
        "[two words]", "[it's]", "[$HOME]", "[*]", "[ab]", "[]"
    ]  # fmt: skip


async def test_a_command_line_that_cannot_be_split_is_refused(
    system: ComputeSystem, posix: PosixGuest
) -> None:
    error = await refusal(system, {"CommandLine": 'printf "no end'})
    assert error.hresult == HR.INVALID_JSON


async def test_arguments_go_through_unchanged(system: ComputeSystem, guest: Guest) -> None:
    arguments = ["two words", "it's", "$HOME", "*", 'say "a"', "\\", "", "tab\there", "é€😀"]
    result = await run(system, guest.prints_arguments(*arguments))
    assert result.out.decode().splitlines() == [f"[{argument}]" for argument in arguments]


async def test_a_command_line_and_arguments_exclude_each_other(
    system: ComputeSystem, posix: PosixGuest
) -> None:
    error = await refusal(system, {"CommandLine": "true", "CommandArgs": ["true"]})
    assert error.hresult == HR.INVALID_JSON


async def test_an_application_name_replaces_the_first_word(
    system: ComputeSystem, guest: Guest
) -> None:
    assert await run(system, guest.goes_by("anything", "done")) == (0, b"done", b"")


async def test_a_process_starts_in_the_directory_it_was_given(
    system: ComputeSystem, guest: Guest
) -> None:
    result = await run(system, guest.prints_directory() | {"WorkingDirectory": guest.directory})
    assert result.out.decode().strip() == guest.directory


async def test_the_environment_is_added_to_the_systems(system: ComputeSystem, guest: Guest) -> None:
    environment = {"CONTRACT_WORD": "two words"}
    result = await run(system, guest.prints_variable("PATH") | {"Environment": environment})
    assert result.out not in {b"unset", b"[]"}
    result = await run(
        system, guest.prints_variable("CONTRACT_WORD") | {"Environment": environment}
    )
    assert result.out == b"[two words]"


async def test_the_environment_overrides_the_systems(system: ComputeSystem, guest: Guest) -> None:
    environment = {"HOME": "elsewhere"}
    result = await run(system, guest.prints_variable("HOME") | {"Environment": environment})
    assert result.out == b"[elsewhere]"


async def test_an_empty_value_is_not_an_unset_variable(system: ComputeSystem, guest: Guest) -> None:
    result = await run(system, guest.prints_variable("HOME") | {"Environment": {"HOME": ""}})
    assert result.out == b"[]"


async def test_one_process_sees_nothing_of_anothers_environment(
    system: ComputeSystem, guest: Guest
) -> None:
    parameters = guest.prints_variable("CONTRACT_ONCE")
    first = await run(system, parameters | {"Environment": {"CONTRACT_ONCE": "1"}})
    assert (first.out, (await run(system, parameters)).out.strip()) == (b"[1]", b"unset")


@pytest.mark.needs(Trait.STRICT)
@pytest.mark.parametrize(
    "name", ["", "A=B", "NUL\0", "x\0y"], ids=["empty", "equals", "nul at the end", "nul"]
)
async def test_a_name_that_no_variable_can_have_is_refused(
    system: ComputeSystem, guest: Guest, name: str
) -> None:
    error = await refusal(system, guest.exits(0) | {"Environment": {name: "x"}})
    assert error.hresult == HR.INVALID_JSON


async def test_a_value_of_many_kilobytes_arrives(system: ComputeSystem, guest: Guest) -> None:
    value = "x" * 30_000  # Windows takes 32,767
    environment = {"CONTRACT_BIG": value}
    result = await run(system, guest.prints_variable("CONTRACT_BIG") | {"Environment": environment})
    assert result.out == f"[{value}]".encode()


async def test_the_process_is_in_the_system_it_was_created_in(
    system: ComputeSystem, guest: Guest
) -> None:
    async with running(system, guest.sleeps()) as it:
        assert it.process.system is system
        other = await system.open_process(it.pid)
        assert other.pid == it.pid
        other.close()


async def test_pipes_are_given_only_where_they_were_asked_for(
    system: ComputeSystem, guest: Guest
) -> None:
    for pipes in ["", "i", "o", "e", "io", "oe", "ioe"]:
        async with running(system, guest.exits(0), pipes) as it:
            assert [bool(handle) for handle in it.handles] == [name in pipes for name in "ioe"]


async def test_stdio_is_handed_over_once(system: ComputeSystem, guest: Guest) -> None:
    async with running(system, guest.exits(0), "ioe") as it:
        assert it.process.stdio.take() == (0, 0, 0)


async def test_stdio_that_nobody_took_is_closed_with_the_process(
    system: ComputeSystem, guest: Guest
) -> None:
    document = guest.exits(0) | {"CreateStdOutPipe": True, "CreateStdInPipe": True}
    process = await system.create_process(json.dumps(document))
    process.close()  # the census sees what stays open


async def test_a_scope_that_ends_a_create_loses_nothing(
    system: ComputeSystem, guest: Guest
) -> None:
    document = json.dumps(guest.exits(0) | {"CreateStdInPipe": True, "CreateStdOutPipe": True})
    for turns in range(25):
        with anyio.CancelScope() as scope:

            async def cancel_soon(turns: int = turns, scope: anyio.CancelScope = scope) -> None:
                for _ in range(turns):
                    await anyio.lowlevel.checkpoint()
                scope.cancel()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(cancel_soon)
                (await system.create_process(document)).close()
    assert (await run(system, guest.exits(3))).code == 3
