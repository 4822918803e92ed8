"""A named service of the double, asked from either side of Wine."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self, cast

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VARIABLE = "HCSD_DOUBLE_SERVICE"
READY = b"ready"
TIMEOUT = 60.0  # seconds; what is asked takes 0.1 s, on a busy machine much longer

Counts = dict[str, int]


@dataclass
class DoubleService:
    """A service that clients find by its name: those with `variable` in their environment.

    It ends when it is stopped, and with it the processes that it has started.

    Args:
        name: What it is called; in a prefix of Wine there is one of that name.
        command: What starts `hcsd-double.exe`.
        environment: What it is started with; as ours if it is None.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] | None = None
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def variable(self) -> dict[str, str]:
        """What makes a process a client of this service."""
        return {VARIABLE: self.name}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self, *rules: dict[str, object]) -> None:
        """Start it and return when it can be connected to.

        Args:
            rules: Faults to begin with.
        """
        environment = dict(self.environment) if self.environment is not None else None
        self._process = subprocess.Popen(
            [*self.command, "serve", self.name],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == READY
        if rules:
            self.script(*rules)

    def kill(self) -> None:
        """End it without a word to its clients, as if it had crashed; idempotent."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(TIMEOUT)
            assert process.stdout is not None
            process.stdout.close()

    def stop(self) -> None:
        """End it, and its processes."""
        self.ask("stop")
        self.kill()

    def counts(self) -> dict[str, object]:
        """Count what clients hold now: each of them under ``clients``, and all."""
        return cast("dict[str, object]", self.ask("counts"))

    def left(self) -> list[Counts]:
        """Count what those clients held that have left, the last of them last."""
        return cast("list[Counts]", self.ask("left"))

    def await_idle(self) -> None:
        """Wait until it has no client, and what those have left is tidied up."""
        self.ask("idle")

    def script(self, *rules: dict[str, object]) -> None:
        """Add faults; see double/service/faults.c."""
        self.ask("script", json.dumps(rules))

    def reset(self) -> None:
        """Forget the faults, and complete what would never complete."""
        self.ask("reset")

    def disconnect(self) -> None:
        """Take the service away from its clients; it is back at once."""
        self.ask("disconnect")

    def ask(self, verb: str, *arguments: str) -> object:
        """Ask by the program; see double/service/control.c.

        Raises:
            subprocess.CalledProcessError: It could not be done, or there is no such service.
        """
        asked = subprocess.run(
            [*self.command, verb, self.name, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(self.environment) if self.environment is not None else None,
            timeout=TIMEOUT,
            check=True,
        )
        return json.loads(asked.stdout)
