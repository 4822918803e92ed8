"""What the README shows of the client, run as it is printed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.daemon import Daemon

README = Path(__file__).parents[2] / "README.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Others show the raw stubs, against Windows.
EXAMPLES = [text for text in BLOCK.findall(README.read_text("utf-8")) if "hcsd_client" in text]
PRINTED = [
    "b'hello'\nexit code 7\nEXECUTABLE_NOT_FOUND 0x80070002\n",
    "b'hello\\n'\n",
    "exited with 7\n",
]


def test_every_example_is_run() -> None:
    assert len(EXAMPLES) == len(PRINTED)


@pytest.mark.parametrize(("example", "printed"), list(zip(EXAMPLES, PRINTED, strict=False)))
def test_an_example_prints_what_it_should(daemon: Daemon, example: str, printed: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", example],
        env=os.environ | {"HCSD_ADDRESS": daemon.address},
        capture_output=True,
        text=True,
        timeout=15,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == (printed, "", 0)
