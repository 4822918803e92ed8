"""What a case is played on: a daemon, proxies before it, files, a runner, and what is known so far."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path
from secrets import token_urlsafe
from typing import TYPE_CHECKING, cast

import anyio
import anyio.to_thread
import grpc

from hcsd.v1.process_service_pb2 import GetProcessRequest
from hcsd.v1.process_service_pb2_grpc import ProcessServiceStub
from tests.conformance.case import Step
from tests.conformance.ends import Watched
from tests.conformance.matching import CaseError, differences, fill
from tests.conformance.network import Network
from tests.conformance.outages import Outages
from tests.conformance.pipes import Pipes
from tests.conformance.scripted_server import scripted
from tests.support.daemon import serving
from tests.support.squatter import squatting
from tests.support.tls import LOOPBACK, Authority, serve_options

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Sequence

    from tests.conformance.case import Case
    from tests.conformance.matching import Table
    from tests.conformance.runner import Runner
    from tests.support.daemon import Daemon
    from tests.support.squatter import Answers, Squatter

    Asked = tuple[int, asyncio.Future[Table]]

ANSWER_TIMEOUT = 60.0  # seconds; far more than any answer takes


class Stage:
    """Plays one case; use it in a ``with`` of its own `resources`.

    Args:
        runner: The runner.
        daemon: The daemon.
        options: What it was started with.
        folder: For files and sockets; its path must be short.
        resources: What the stage opens is closed with them.
    """

    def __init__(
        self,
        runner: Runner,
        daemon: Daemon,
        options: Sequence[str],
        folder: Path,
        resources: contextlib.AsyncExitStack,
    ) -> None:
        self._runner = runner
        self._daemon = daemon
        self._folder = folder
        self._resources = resources
        self._network = Network(daemon.socket, folder, resources)
        self._outages = Outages(daemon, options, self._network, resources)
        self._pipes = Pipes(folder, resources)
        self._under_way: dict[str, Asked] = {}
        self._watched: dict[str, Watched] = {}
        self._squatters: dict[str, Squatter] = {}
        self._known: dict[str, object] = {"folder": str(folder), "daemon": self._facts()}
        self._actions: dict[str, Callable[..., Awaitable[None]]] = {
            "suite.await": self._await,
            "suite.cancel": self._cancel,
            "suite.count": self._count,
            "suite.ended": self._ended,
            "suite.events": self._events,
            "suite.fill": self._fill,
            "suite.heard": self._heard,
            "suite.kill_runner": self._kill_runner,
            "suite.replace": self._replace,
            "suite.running": self._running,
            "suite.scripted": self._scripted,
            "suite.squatter": self._squatter,
            "suite.tls": self._tls,
            "suite.trying": self._trying,
            "suite.until": self._until,
            "suite.watch": self._watch,
            **self._network.actions,
            **self._outages.actions,
            **self._pipes.actions,
        }

    async def play(self, case: Case) -> None:
        """Play a case.

        Raises:
            CaseError: It does not come out as it says.
        """
        for name, size in case.files.items():
            await self._fill(name, size)
        if case.outage:
            self._known["door"] = {"address": await self._outages.open_door(case.outage)}
        for number, step in enumerate(case.steps, 1):
            try:
                await self._step(step)
            except (CaseError, KeyError) as error:
                raise CaseError(f"step {number}, {step.do}: {error.args[0]}") from None

    async def _step(self, step: Step) -> None:
        action = self._actions.get(step.do)
        if action and step.do == "suite.await":
            await self._await(step)
        elif action:
            await action(**{key: fill(value, self._known) for key, value in step.arguments.items()})
            if step.do in self._outages.actions and self._daemon is not self._outages.daemon:
                self._daemon = self._outages.daemon
                self._known["daemon"] = self._facts()
            self._known |= {key: {"address": at} for key, at in self._network.addresses.items()}
            self._known |= {key: {"path": at} for key, at in self._pipes.paths.items()}
        else:
            asked = []
            for n in range(step.times):
                self._known["n"] = n
                arguments = {key: fill(value, self._known) for key, value in step.arguments.items()}
                asked.append(self._runner.start(step.do, arguments))
            if step.background:
                [self._under_way[step.background]] = asked
            else:
                for n, each in enumerate(asked):
                    self._known["n"] = n
                    await self._check(step, each)

    async def _check(self, step: Step, asked: Asked, within: float = ANSWER_TIMEOUT) -> Table:
        """Wait for an answer, see that it is as the step says, and return what is in it."""
        try:
            with anyio.fail_after(within):
                response = await asked[1]
        except TimeoutError:
            raise CaseError(f"no answer in {within:.0f} s{self._meanwhile()}") from None
        key = "error" if step.error is not None else "ok"
        if key not in response:
            raise CaseError(f"answered {response}")
        wanted = fill(step.error if step.error is not None else step.ok or {}, self._known)
        if lines := differences(wanted, response[key]):
            raise CaseError("\n  ".join([*lines, f"in {response}"]))
        if step.save:
            self._known[step.save] = response[key]
        return cast("Table", response[key])

    def _meanwhile(self) -> str:
        """Say what requests in the background have come to, which may be why another one waits."""
        done = [(name, asked) for name, (_, asked) in self._under_way.items() if asked.done()]
        return "".join(f"\n  meanwhile {name} answered {asked.result()}" for name, asked in done)

    async def _await(self, step: Step) -> None:
        """Check what a request in the background has come to, maybe within so many seconds."""
        asked = self._under_way.pop(str(step.arguments["request"]))
        await self._check(step, asked, step.arguments.get("within", ANSWER_TIMEOUT))

    async def _cancel(self, request: str) -> None:
        """Cancel a request in the background; what it comes to is checked by `suite.await`."""
        number, _ = self._under_way[request]
        _, answer = self._runner.start("cancel", {"request": number})
        await answer

    async def _events(self, watch: str, count: int) -> None:
        """Take so many events of a watch of all systems; each must have the revision that is due.

        Bookmarks are passed over. A watch that begins with one tells events from its revision on.
        """
        last: int | None = None
        while count:
            step = Step(do="next", arguments={"watch": watch})
            answer = await self._check(step, self._runner.start(step.do, step.arguments))
            item, revision = answer["item"], answer["revision"]
            if item == "event":
                if last is not None and revision != last + 1:
                    raise CaseError(f"an event has revision {revision} after {last}")
                count -= 1
            elif last is not None and revision != last:
                raise CaseError(f"a {item} has revision {revision} after {last}")
            last = revision

    async def _trying(self, client: str, before: list[str], attempts: int) -> None:
        """Wait until a client has logged so many attempts more than `before`, lines of its `log`."""
        with anyio.fail_after(ANSWER_TIMEOUT):
            while True:
                _, answer = self._runner.start("log", {"client": client})
                if len((await answer)["ok"]["lines"]) >= len(before) + attempts:
                    return

    async def _kill_runner(self) -> None:
        """End the program that uses the library by SIGKILL; what follows can only ask the suite."""
        await self._runner.kill()

    async def _fill(self, name: str, size: int) -> None:
        """Make a file of random bytes."""
        path = self._folder / f"{name}.bytes"
        data = os.urandom(size)
        path.write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        self._known[name] = {"path": str(path), "bytes": size, "sha256": digest}

    async def _replace(self, file: str, by: str | None = None) -> None:
        """Replace a file by a copy of another, or by one with a new token."""
        await anyio.to_thread.run_sync(replace_file, Path(file), by)

    async def _scripted(self, name: str, tcp: bool = False) -> None:
        """Run the scripted server; on TCP it speaks in clear."""
        listen = "127.0.0.1:0" if tcp else f"unix://{self._folder}/scripted.sock"
        address = await self._resources.enter_async_context(scripted(listen))
        self._known[name] = {"address": address}

    async def _squatter(self, name: str, answers: Answers) -> None:
        """Listen where clients take a daemon to be."""
        squatter = await self._resources.enter_async_context(squatting(self._folder, answers))
        self._squatters[name] = squatter
        self._known[name] = {"address": squatter.address}

    async def _heard(self, squatter: str, connections: Table, secrets: list[str]) -> None:
        """See that whoever connected to a squatter began with TLS, and got no further.

        Args:
            squatter: Its name.
            connections: How many it must have had by now.
            secrets: What must not be in anything that it has heard.
        """
        heard = self._squatters[squatter].heard
        problems = differences(connections, len(heard), "the count of connections")
        problems += [problem for each in heard for problem in each.problems(secrets)]
        if problems:
            raise CaseError("; ".join(problems))

    async def _tls(self, name: str, clients: bool = False) -> None:
        """Start a daemon with TLS, which may want certificates of its clients."""
        authority, other = Authority(self._folder), Authority(self._folder, "other")
        people = Authority(self._folder, "clients")
        server = authority.issue("server", *LOOPBACK)
        options = serve_options(server, people if clients else None)
        starting = contextlib.ExitStack()
        self._resources.callback(starting.close)
        daemon = await anyio.to_thread.run_sync(starting.enter_context, serving(*options, tcp=True))
        client, stranger = people.issue("client", "us"), other.issue("stranger", "them")
        token_file = daemon.token_file
        if clients:  # it needs none, and so has made none
            token_file = self._folder / "token"
            token_file.write_text("0" * 64)
        facts = {"ca": authority.file, "cert": client.certificate, "key": client.key}
        facts |= {"client_ca": people.file, "other_ca": other.file, "token_file": token_file}
        facts |= {"other_cert": stranger.certificate, "other_key": stranger.key}
        self._known[name] = {key: str(path) for key, path in facts.items()} | {
            "tcp": daemon.addresses[-1]
        }

    async def _until(self, process: str, field: str, wanted: object) -> None:
        """Wait until a field of a process is as wanted."""
        async with grpc.aio.insecure_channel(self._daemon.address) as channel:
            stub, request = ProcessServiceStub(channel), GetProcessRequest(name=process)
            with anyio.fail_after(ANSWER_TIMEOUT):
                while True:
                    found: object = (await stub.GetProcess(request)).process
                    for part in field.split("."):
                        found = getattr(found, part)
                    if not differences(wanted, found):
                        return

    async def _watch(self, name: str, pid_file: str) -> None:
        """Keep a process that runs under a name, by the pid that it has written to a file."""
        try:
            watched = Watched(Path(pid_file))
        except ProcessLookupError:
            raise CaseError("it has ended already") from None
        self._resources.callback(watched.close)
        self._watched[name] = watched

    async def _running(self, name: str) -> None:
        """See that a process that is watched still runs."""
        if self._watched[name].has_ended():
            raise CaseError("it has ended")

    async def _ended(self, name: str) -> None:
        """Wait until a process that is watched has ended."""
        watched = self._watched[name]
        if not await anyio.to_thread.run_sync(watched.has_ended, ANSWER_TIMEOUT):
            raise CaseError(f"it still runs after {ANSWER_TIMEOUT:.0f} s")

    async def _count(self, what: list[object], wanted: int) -> None:
        if len(what) != wanted:
            raise CaseError(f"{len(what)} are there, not {wanted}")

    def _facts(self) -> Table:
        return {
            "address": self._daemon.address,
            "tcp": self._daemon.addresses[-1],
            "token_file": str(self._daemon.token_file),
            "token": self._daemon.token_file.read_text("ascii").strip(),
            "ca": str(self._daemon.ca_file),
        }


def replace_file(file: Path, by: str | None) -> None:
    """Replace a private file at one blow: by a copy of another, or by one with a new token."""
    text = Path(by).read_text("ascii") if by else token_urlsafe()
    draft = file.with_name(f"{file.name}.new")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(file)
