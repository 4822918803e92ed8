"""Text of HCS that UTF-8 cannot hold, by every way in; and the text that goes to HCS as it is."""

import json
from typing import TYPE_CHECKING

import pytest

from hcsd.abi.hresult import HR
from hcsd.abi.types import HCS_EVENT_TYPE, PCWSTR
from hcsd.hcs.errors import HcsError
from tests.support.scripted import ScriptedProvider
from tests.support.scripting import host_of, settled, system_of

if TYPE_CHECKING:
    from hcsd.hcs.system import SystemEvent

pytestmark = pytest.mark.anyio

HALF, MENDED = "\ud83d", "\N{REPLACEMENT CHARACTER}"

both_ways = pytest.mark.parametrize("escaped", [True, False], ids=["escape", "unit"])


@both_ways
async def test_the_owner_of_one_system_spoils_no_list(
    direct: ScriptedProvider, *, escaped: bool
) -> None:
    listed = [{"Id": "a", "Owner": f"me{HALF}"}, {"Id": "b", "Owner": "😀"}]
    document = json.dumps(listed, ensure_ascii=escaped)
    direct.script["HcsEnumerateComputeSystems"] = lambda operation: operation.complete(0, document)
    async with host_of(direct) as host:
        assert [it.owner for it in await host.systems()] == [f"me{MENDED}", "😀"]
        raw = await host.enumerate()
        assert raw is not None
        raw.encode()
        assert json.loads(raw)[0]["Owner"] == f"me{MENDED}"


@both_ways
async def test_the_document_of_an_event_can_be_told(
    direct: ScriptedProvider, *, escaped: bool
) -> None:
    told: list[SystemEvent] = []
    value = 0x80000009  # of a later build
    async with system_of(direct) as system:
        system.observe(told.append)
        direct.fire_system(value, json.dumps({"Detail": HALF}, ensure_ascii=escaped))
        direct.fire_system(HCS_EVENT_TYPE.HcsEventGroupVmLifecycle)
        await settled()
    event, group = told
    assert event.value == value
    assert event.document is not None
    event.document.encode()
    assert json.loads(event.document) == {"Detail": MENDED}
    assert (group.name, group.document) == ("GroupVmLifecycle", None)


@both_ways
async def test_the_reason_of_a_failure_can_be_told(
    direct: ScriptedProvider, *, escaped: bool
) -> None:
    document = json.dumps({"ErrorMessage": f"no {HALF}"}, ensure_ascii=escaped)
    direct.script["HcsPauseComputeSystem"] = lambda operation: operation.complete(
        HR.E_FAIL, document
    )
    async with system_of(direct) as system:
        with pytest.raises(HcsError, match=f"no {MENDED}") as caught:
            await system.pause()
        assert caught.value.document is not None
        caught.value.document.encode()


async def test_what_goes_to_hcs_stays_as_it_is(direct: ScriptedProvider) -> None:
    given: list[str | None] = []

    def take(*arguments: object) -> int:
        options = arguments[2]
        assert isinstance(options, PCWSTR)
        given.append(options.text)
        return HR.E_FAIL

    direct.replaced["HcsPauseComputeSystem"] = take
    async with system_of(direct) as system:
        with pytest.raises(HcsError):
            await system.pause(f"a{HALF}")
    assert given == [f"a{HALF}"]
