"""Options of a create at an engine that is HCS: what it is told, and what it has no place for."""

import json
from dataclasses import replace

import pytest

from hcsd.abi.hresult import HR, Kind
from hcsd.daemon.errors import CreateFailedError, RequestError
from hcsd.daemon.options import Options
from hcsd.daemon.spec import ConsoleSize, ProcessRequest, ProcessSpec
from hcsd.daemon.streams import Stream
from tests.fault.test_served_lost import served_by
from tests.support.scripted import ScriptedProvider

pytestmark = pytest.mark.anyio

DOCUMENT = {"CommandLine": "a", "Member": [1, {}], "CreateStdOutPipe": True}
TYPED = ProcessRequest("scripted", ProcessSpec(command_line="a"))
RAW = ProcessRequest("scripted", document=json.dumps(DOCUMENT, indent=3))
BOTH = pytest.mark.parametrize("request_", [TYPED, RAW], ids=["spec", "document"])
JOINED = Options(stderr_to_stdout=True)


@BOTH
async def test_hcs_cannot_join_the_streams(
    scripted: ScriptedProvider, request_: ProcessRequest
) -> None:
    async with served_by(scripted) as (daemon, _):
        told = len(scripted.parameters)
        with pytest.raises(RequestError) as refusal:
            await daemon.processes.create(replace(request_, options=JOINED))
        assert refusal.value.reason == "STDERR_TO_STDOUT_NOT_SUPPORTED"
        assert refusal.value.kind is Kind.UNSUPPORTED
        assert len(scripted.parameters) == told


async def test_a_console_joins_them_at_hcs_too(scripted: ScriptedProvider) -> None:
    spec = ProcessSpec(command_line="a", console=ConsoleSize(80, 25))
    raw = json.dumps(DOCUMENT | {"EmulateConsole": True})
    async with served_by(scripted) as (daemon, _):
        await daemon.processes.create(ProcessRequest("scripted", spec, options=JOINED))
        assert "StdErrToStdOut" not in str(scripted.parameters[-1])
        await daemon.processes.create(ProcessRequest("scripted", document=raw, options=JOINED))
        assert scripted.parameters[-1] == raw


async def test_a_document_is_passed_unchanged_but_for_the_pipes_that_options_ask_for(
    scripted: ScriptedProvider,
) -> None:
    async with served_by(scripted) as (daemon, _):
        kept = replace(RAW, options=Options(pin=True, ring_bytes=5))
        await daemon.processes.create(kept)
        assert scripted.parameters[-1] == RAW.document
        await daemon.processes.create(replace(RAW, options=Options(discard=frozenset(Stream))))
        assert json.loads(str(scripted.parameters[-1])) == DOCUMENT | {
            "CreateStdOutPipe": False,
            "CreateStdErrPipe": False,
        }


async def test_what_a_spec_discards_has_no_pipe(scripted: ScriptedProvider) -> None:
    async with served_by(scripted) as (daemon, _):
        discard = Options(discard=frozenset({Stream.STDERR}))
        await daemon.processes.create(replace(TYPED, options=discard))
        told = json.loads(str(scripted.parameters[-1]))
        assert told == {"CommandLine": "a", "CreateStdOutPipe": True}


@pytest.mark.parametrize(
    ("request_", "field"),
    [(TYPED, "spec.working_directory"), (RAW, "parameters_json")],
    ids=["spec", "document"],
)
async def test_a_directory_that_hcs_does_not_find_is_the_mistake_of_a_field(
    scripted: ScriptedProvider, request_: ProcessRequest, field: str
) -> None:
    async with served_by(scripted) as (daemon, _):
        scripted.answers["HcsCreateProcess"] = HR.ERROR_DIRECTORY
        with pytest.raises(CreateFailedError) as refusal:
            await daemon.processes.create(request_)
        assert [item[:2] for item in refusal.value.violations] == [(field, "not_found")]
        assert refusal.value.reason == "WORKING_DIRECTORY_NOT_FOUND"
