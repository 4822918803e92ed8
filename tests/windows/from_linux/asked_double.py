"""A service of the double that is asked often: one program of Wine asks it all that there is to ask."""

from __future__ import annotations

import json
import subprocess
import uuid
from typing import TYPE_CHECKING, Self, cast

from tests.windows import places
from tests.windows.double_service import DoubleService

if TYPE_CHECKING:
    from tests.windows.wine import Wine

COUNTED = ("operations", "systems", "processes", "strings", "created systems", "pipes")


class AskedDouble(DoubleService):
    """A named service in a session of Wine. Use it in a `with`, which starts and ends it."""

    def __init__(self, wine: Wine) -> None:
        name = f"plans-{uuid.uuid4().hex[:8]}"
        command = wine.command(places.SYSTEM32 / places.SERVICE.name)
        super().__init__(name, command, wine.environment)
        self._asker: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        super().__enter__()
        self._asker = subprocess.Popen(
            [*self.command, "ask", self.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(self.environment or {}),
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self._asker is not None:
            self._asker.communicate()  # the end of its input ends it
        super().__exit__()

    def ask(self, verb: str, *arguments: str) -> object:
        """Ask by a line; an answer of null is that it could not be done."""
        assert self._asker is not None
        assert self._asker.stdin is not None
        assert self._asker.stdout is not None
        self._asker.stdin.write(" ".join((verb, *arguments)) + "\n")
        self._asker.stdin.flush()
        answer = json.loads(self._asker.stdout.readline())
        assert answer is not None, (verb, arguments)
        return answer

    def live(self) -> dict[str, int]:
        """Count what clients hold."""
        counts = self.counts()
        return {name: cast("int", counts[name]) for name in COUNTED}

    def assert_orderly(self) -> None:
        """Hold that the client that left last has said so, and left nothing."""
        left = self.left()[-1]
        assert left.pop("orderly")
        left.pop("pid")
        assert not any(left.values()), left

    def held(self) -> int:
        """Count the calls that a rule holds up now."""
        return cast("int", self.counts()["held"])

    def crash(self) -> None:
        """End it without a word, and start another in its place."""
        self.kill()
        self.start()
