"""Which guest a process runs in, where HCS leaves that open."""

import json

import anyio
import pytest

from hcsd.daemon.daemon import Daemon
from hcsd.daemon.settings import Limits
from tests.support.scripted import ScriptedProvider
from tests.support.scripting import host_of

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("of_the_provider", ["windows", "linux"])
@pytest.mark.parametrize("said", ["Windows", "Linux", "Unknown", None])
async def test_the_guest_is_what_hcs_says_and_else_what_the_provider_has(
    direct: ScriptedProvider, said: str | None, of_the_provider: str
) -> None:
    text = json.dumps({"Id": "scripted"} | ({"RuntimeOsType": said} if said else {}))
    direct.guest_os = of_the_provider
    direct.script["HcsGetComputeSystemProperties"] = lambda op: op.complete(document=text)
    async with host_of(direct) as host, anyio.create_task_group() as tasks:
        daemon = Daemon(host, Limits(), tasks)
        opened = await daemon.systems.open("scripted")
        expected = said if said in {"Windows", "Linux"} else of_the_provider.title()
        assert opened.guest.value == expected
        await daemon.close()
