"""The client: a connection to one daemon, and the processes that it gives."""

from __future__ import annotations

import os
import uuid
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import anyio

from hcsd.v1.process_pb2 import (
    OVERFLOW_POLICY_BLOCK,
    OVERFLOW_POLICY_UNSPECIFIED,
    STDIN_MODE_PIPE,
    ProcessSpec,
)
from hcsd_client._calls import Calls
from hcsd_client._channel import Channel, read_token
from hcsd_client._errors import DaemonRestartedError, HcsdClientError, NotFoundError
from hcsd_client._process import RemoteProcess
from hcsd_client._requests import make_spec
from hcsd_client._retry import Retry, retrying
from hcsd_client._trust import TcpOptions, Trust, choose_trust
from hcsd_client.address import Address, default_address, parse_address
from hcsd_client.names import HOST_SYSTEM

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from hcsd.v1.process_pb2 import Process

LEAVE_TIMEOUT = 5.0  # seconds to end a process that is left; arbitrary


class Client(Calls):
    """A connection to one daemon.

        async with Client() as client:
            async with client.run(["sh", "-c", "echo hello; exit 7"]) as process:
                async for data in process.stdout:
                    print(data)
                print((await process.wait()).exit_code)

    `run`, `create` and `open` give a `RemoteProcess`, which goes on after a lost connection. The other
    methods are the calls of the contract, one each and by the same names; they are made once (those whose
    answers are iterated over again after a pause, see `Output`), and their answers are the messages of `hcsd.v1`, documented there. An answer with a single member is returned as
    that member. Names are resource names, as `process_name` makes them.

    It connects at the first call and never waits for a daemon that is not there.

    Cancelling a call, as with `asyncio.timeout` around it, only ends the wait for its answer: what
    the daemon has begun, it completes. `asyncio.CancelledError` is raised as ever.

    Every method may raise `CallError` by one of its subclasses: `DaemonUnreachableError`,
    `ConnectionLostError`, `UnavailableError`, `InvalidRequestError`, `UnauthenticatedError`,
    `PermissionDeniedError`, `UnimplementedError`, `ResourceExhaustedError`, `DeadlineExceededError`,
    `InternalError`; those named with a method come on top. A method of a client that is not open raises
    `ClientClosedError`. No error of gRPC gets out.

    Args:
        address: Where the daemon listens. Default: see `default_address`.
        token_file: File with the daemon's token, for TCP. Default: what `HCSD_TOKEN_FILE` names,
            else, if neither a CA nor a client certificate is named, the file in which a daemon of this
            user keeps its token, if the daemon's `server.pem` is beside it.
        timeout: Seconds after which a call without an answer is a `DeadlineExceededError`. Calls that
            wait for a process (its exit, its output, room in its stdin, a grace period) have no such
            limit. Default: none for any.
        retry: How a `RemoteProcess` goes on after a lost connection.
        tls_ca_file: CA of the daemon's certificate (PEM). Default: what `HCSD_TLS_CA` names, else
            `server.pem` beside the token file if it is there, else those that the system trusts.
        tls_cert_file: Certificate of this client (PEM, with those between it and its CA after it),
            for a daemon that wants one. Default: what `HCSD_TLS_CERT` names.
        tls_key_file: Its private key (PEM, without a passphrase). Default: what `HCSD_TLS_KEY` names.
        insecure: Whether to speak in clear, without TLS and token; only for TCP. Whoever is on the way
            reads and changes what is sent. Default: whether `HCSD_INSECURE` is ``1``.

    Raises:
        AddressError: The address is none.
        TokenFileError: A token file is named together with `insecure`.
        TlsError: A file of TLS is named together with `insecure`, there is a certificate without a
            key, or the reverse, or `HCSD_INSECURE` is neither yes nor no.
    """

    def __init__(
        self,
        address: Address | str | None = None,
        token_file: str | os.PathLike[str] | None = None,
        *,
        timeout: float | None = None,
        retry: Retry = Retry(),  # noqa: B008  (it is immutable)
        tls_ca_file: str | os.PathLike[str] | None = None,
        tls_cert_file: str | os.PathLike[str] | None = None,
        tls_key_file: str | os.PathLike[str] | None = None,
        insecure: bool | None = None,
    ) -> None:
        super().__init__(None, timeout)
        if address is None:
            address = default_address(os.environ)
        self._address = parse_address(address) if isinstance(address, str) else address
        options = TcpOptions(token_file, tls_ca_file, tls_cert_file, tls_key_file, insecure)
        self._trust = Trust() if self._address.is_unix else choose_trust(options, os.environ)
        self._retry = retry

    @property
    def address(self) -> Address:
        """Where the daemon listens."""
        return self._address

    async def __aenter__(self) -> Self:
        """Open the client.

        Raises:
            TokenFileError: The token cannot be read.
            TlsError: A file for TLS cannot be used.
        """
        trust = self._trust
        token = await read_token(anyio.Path(trust.token_file)) if trust.token_file else ""
        credentials = await trust.tls.credentials() if trust.tls else None
        self._open_channel = Channel(self._address, token, trust, credentials)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        channel, self._open_channel = self._open_channel, None
        if channel is not None:
            await channel.close()

    async def create(
        self,
        command: ProcessSpec | Sequence[str] | str | None = None,
        *,
        stdin: bool = False,
        parent: str = HOST_SYSTEM,
        parameters_json: str | None = None,
        process_id: str = "",
        labels: Mapping[str, str] | None = None,
        request_id: str = "",
    ) -> RemoteProcess:
        """Start a process that lives on its own, with its output kept as in a log.

        Of each output the daemon keeps the last MiB, unless the spec says otherwise. Who reads too late
        gets an `OutputEvictedError`, or see `RemoteProcess.output`.

        Args:
            command: As in `create_process`.
            stdin: Whether to give it a stdin to write to, as `STDIN_MODE_PIPE` in the spec does.
            parent: As in `create_process`.
            parameters_json: As in `create_process`.
            process_id: As in `create_process`.
            labels: As in `create_process`.
            request_id: As in `create_process`. By default a new one, so that a call whose connection is
                lost can be repeated and starts one process.

        Raises:
            ExecutableNotFoundError: There is no such program.
            NotFoundError: There is no such system or folder.
            AlreadyExistsError: `process_id` is taken.
            RequestIdReusedError: `request_id` was used with another request.
            FailedPreconditionError: The system is not running.
            TypeError: Not exactly one of `command` and `parameters_json` is given.
        """
        if command is not None and stdin:
            command = _copy(command)
            command.stdin_mode = STDIN_MODE_PIPE
        own_id = str(uuid.uuid4())
        created = await retrying(
            self._retry,
            lambda: self.create_process(
                command,
                parent=parent,
                parameters_json=parameters_json,
                process_id=process_id,
                labels=labels,
                request_id=request_id or own_id,
            ),
            reached=False,
        )
        return self._process(created.process, stdin_offset=None if request_id else 0)

    @asynccontextmanager
    async def run(
        self,
        command: ProcessSpec | Sequence[str] | str | None = None,
        *,
        stdin: bool = False,
        parent: str = HOST_SYSTEM,
        parameters_json: str | None = None,
        process_id: str = "",
        labels: Mapping[str, str] | None = None,
    ) -> AsyncIterator[RemoteProcess]:
        """Start a process that is for the block alone; at its end the process and its descendants are killed.

        Descendants are killed also if the process itself has exited by then. Where the engine cannot
        tell what descends from it, the process alone is.

        Nothing of its output is lost, however slowly it is read: as with a pipe, the process waits for
        who reads it, unless the spec says otherwise. A client that is killed does not take it along;
        `run_process` with `ORPHAN_POLICY_KILL_ON_OWNER_DISCONNECT` does.

        Arguments and errors are those of `create`.
        """
        if command is not None:
            command = _copy(command)
            if command.output.overflow == OVERFLOW_POLICY_UNSPECIFIED:
                command.output.overflow = OVERFLOW_POLICY_BLOCK
        process = await self.create(
            command,
            stdin=stdin,
            parent=parent,
            parameters_json=parameters_json,
            process_id=process_id,
            labels=labels,
        )
        async with process:
            try:
                yield process
            except BaseException:
                # What has gone wrong counts for more than that the process cannot be killed.
                with anyio.move_on_after(LEAVE_TIMEOUT, shield=True), suppress(HcsdClientError):
                    await process.terminate()
                raise
            with suppress(NotFoundError, DaemonRestartedError):  # then it does not run either
                await process.terminate()

    async def open(self, name: str) -> RemoteProcess:
        """Return a process that was started before, by anyone.

        Raises:
            NotFoundError: There is no such process.
        """
        process = await retrying(self._retry, lambda: self.get_process(name), reached=False)
        return self._process(process, stdin_offset=None)

    def _process(self, process: Process, *, stdin_offset: int | None) -> RemoteProcess:
        calls = Calls(self._channel.pinned(process.incarnation), self._timeout)
        return RemoteProcess(calls, process, self._retry, stdin_offset=stdin_offset)


def _copy(command: ProcessSpec | Sequence[str] | str) -> ProcessSpec:
    """Return a spec of our own; the caller's is not changed."""
    spec = ProcessSpec()
    spec.CopyFrom(make_spec(command))
    return spec
