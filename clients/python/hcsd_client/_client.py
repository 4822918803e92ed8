"""The client: a connection to one daemon, and the processes that it gives."""

from __future__ import annotations

import os
import uuid
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import anyio

from hcsd.v1.process_pb2 import (
    ORPHAN_POLICY_KILL_ON_OWNER_DISCONNECT,
    OVERFLOW_POLICY_BLOCK,
    OVERFLOW_POLICY_UNSPECIFIED,
)
from hcsd_client._calls import Calls
from hcsd_client._channel import Channel
from hcsd_client._creation import create
from hcsd_client._errors import DaemonRestartedError, HcsdClientError, NotFoundError
from hcsd_client._exec import ExecCalls
from hcsd_client._keywords import spec_and_options
from hcsd_client._link import Link
from hcsd_client._ownership import owning
from hcsd_client._process import RemoteProcess
from hcsd_client._requests import make_create
from hcsd_client._retry import Retry
from hcsd_client._trust import TcpOptions, Trust, choose_trust, read_token
from hcsd_client._values import duration, text
from hcsd_client.address import Address, default_address, parse_address
from hcsd_client.names import HOST_SYSTEM

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from types import TracebackType
    from typing import Self, Unpack

    import grpc

    from hcsd.v1.process_pb2 import Process
    from hcsd_client._keywords import ProcessKeywords
    from hcsd_client._link import ChannelOptions
    from hcsd_client._requests import Command
    from hcsd_client._values import Path, Seconds

KEEPALIVE = 20.0  # seconds; proxies cut what is silent for a minute, or for more
OWNER_GRACE = 10.0  # seconds that a process lives without its owner
LEAVE_TIMEOUT = 5.0  # seconds to end a process that is left; arbitrary


class Client(ExecCalls):
    """A connection to one daemon.

        async with Client() as client:
            async with client.run(["sh", "-c", "echo hello; exit 7"]) as process:
                done = await process.communicate()
                print(done.stdout, done.exit.exit_code)

    `run`, `create` and `open` give a `RemoteProcess`, which goes on after a lost connection. The other
    methods are the calls of the contract, one each and by the same names, and their answers are the
    messages of `hcsd.v1`, documented there. An answer with a single member is returned as that member.
    What takes a name takes a resource name, as `process_name` makes them, or an id alone: of a system, or of
    a process in the system ``host``.

    A lost connection is survived, within the bounds of `retry`, by what waits, is iterated over or changes
    nothing: `read_output`, `run_process`, `attach_process`, `watch_events`, `wait_process`,
    `terminate_process`, `wait_system`, and what only looks, such as `list_processes`. The other calls of
    the contract are made once.

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
        retry: How it goes on after a lost connection. The logger ``hcsd_client`` tells each attempt.
        tls_ca_file: CA of the daemon's certificate (PEM). Default: what `HCSD_TLS_CA` names, else
            `server.pem` beside the token file if it is there, else those that the system trusts.
        tls_cert_file: Certificate of this client (PEM, with those between it and its CA after it),
            for a daemon that wants one. Default: what `HCSD_TLS_CERT` names.
        tls_key_file: Its private key (PEM, without a passphrase). Default: what `HCSD_TLS_KEY` names.
        insecure: Whether to speak in clear, without TLS and token; only for TCP. Whoever is on the way
            reads and changes what is sent. Default: whether `HCSD_INSECURE` is ``1``.
        keepalive: Seconds of silence after which a TCP connection is pinged (5 at the least), and the
            daemon sends a heartbeat on a stream, so that proxies do not take it for dead. A stream on
            which nothing comes for twice as long, and for a second at the least, has lost its
            connection. 0 or None for neither.
        interceptors: Interceptors of `grpc.aio` for the calls, as for tracing.
        channel_options: Further options of the gRPC channel, as in ``("grpc.primary_user_agent", "me")``.
            They win over the client's own.

    Raises:
        TypeError: A value is of another kind.
        ValueError: A time is negative.
        AddressError: The address is none.
        TokenFileError: A token file is named together with `insecure`.
        TlsError: A file of TLS is named together with `insecure`, there is a certificate without a
            key, or the reverse, or `HCSD_INSECURE` is neither yes nor no.
    """

    def __init__(
        self,
        address: Address | str | None = None,
        token_file: Path | None = None,
        *,
        timeout: Seconds | None = None,
        retry: Retry = Retry(),  # noqa: B008  (it is immutable)
        tls_ca_file: Path | None = None,
        tls_cert_file: Path | None = None,
        tls_key_file: Path | None = None,
        insecure: bool | None = None,
        keepalive: Seconds | None = KEEPALIVE,
        interceptors: Sequence[grpc.aio.ClientInterceptor] = (),
        channel_options: ChannelOptions = (),
    ) -> None:
        super().__init__(None, timeout)
        if address is None:
            address = default_address(os.environ)
        self._address = address if isinstance(address, Address) else parse_address(address)
        options = TcpOptions(token_file, tls_ca_file, tls_cert_file, tls_key_file, insecure)
        self._trust = Trust() if self._address.is_unix else choose_trust(options, os.environ)
        self._link = Link.of(retry, keepalive, interceptors, channel_options)

    def __repr__(self) -> str:
        """Name the daemon, and say whether the client is open."""
        return f"<Client of {self._address} {'open' if self._open_channel else 'not open'}>"

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
        self._open_channel = Channel(self._address, token, trust, credentials, self._link)
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
        command: Command | None = None,
        *,
        stdin: bool = False,
        parent: str = HOST_SYSTEM,
        parameters_json: str | None = None,
        process_id: str = "",
        labels: Mapping[str, str] | None = None,
        request_id: str = "",
        **keywords: Unpack[ProcessKeywords],
    ) -> RemoteProcess:
        """Start a process that lives on its own, with its output kept as in a log.

        Of each output the daemon keeps the last MiB, unless an option or the spec says otherwise. Who reads
        too late gets an `OutputEvictedError`, or see `RemoteProcess.output`.

        The command never runs twice: if the connection was lost and the daemon has lost its state meanwhile, so
        that it cannot know of the first attempt, that is a `DaemonRestartedError`.

        Args:
            command: As in `create_process`.
            stdin: Whether to give it a stdin to write to, as `STDIN_MODE_PIPE` in the spec does.
            parent: As in `create_process`.
            parameters_json: As in `create_process`.
            process_id: As in `create_process`.
            labels: As in `create_process`.
            request_id: As in `create_process`. By default a new one, so that a call whose connection is
                lost can be repeated and starts one process.
            keywords: Where and how to run it, and how the daemon keeps it, see `ProcessKeywords`.

        Raises:
            ExecutableNotFoundError: There is no such program.
            NotFoundError: There is no such system.
            InvalidRequestError: The working directory does not exist, or another field is wrong.
            AlreadyExistsError: `process_id` is taken.
            RequestIdReusedError: `request_id` was used with another request.
            FailedPreconditionError: The system is not running; `DaemonRestartedError`, see above.
            TypeError: Not exactly one of `command` and `parameters_json` is given.
        """
        spec, options = spec_and_options(command, keywords, stdin=stdin)
        request = make_create(
            spec,
            parent,
            parameters_json=parameters_json,
            process_id=process_id,
            labels=labels,
            request_id=text(request_id, "request_id") or str(uuid.uuid4()),
            options=options,
        )
        process = await create(self._channel, request, self._timeout)
        return self._process(process, stdin_offset=None if request_id else 0)

    @asynccontextmanager
    async def run(
        self,
        command: Command | None = None,
        *,
        stdin: bool = False,
        parent: str = HOST_SYSTEM,
        parameters_json: str | None = None,
        process_id: str = "",
        labels: Mapping[str, str] | None = None,
        owner_grace: Seconds | None = OWNER_GRACE,
        **keywords: Unpack[ProcessKeywords],
    ) -> AsyncIterator[RemoteProcess]:
        """Start a process that is for the block alone; at its end the process and its descendants are killed.

        Descendants are killed also if the process itself has exited by then. Where the engine cannot
        tell what descends from it, the process alone is.

        Nothing of its output is lost, however slowly it is read: as with a pipe, the process waits for
        who reads it, unless an option or the spec says otherwise. So read both outputs, as
        `RemoteProcess.communicate` does, or `discard` one, or join them by `stderr_to_stdout`: a process
        that waits for its stderr to be read writes nothing to stdout, either.

        Arguments and errors are those of `create`, and:

        Args:
            command: As in `create`.
            stdin: As in `create`.
            parent: As in `create`.
            parameters_json: As in `create`.
            process_id: As in `create`.
            labels: As in `create`.
            owner_grace: Seconds after which the daemon kills the process and its descendants if this
                program is gone or out of reach. None to let them run on then.
            keywords: As in `create`.
        """
        spec, kept = spec_and_options(command, keywords, stdin=stdin)
        if not kept.output.overflow:
            said = spec.output.overflow if spec else OVERFLOW_POLICY_UNSPECIFIED
            kept.output.overflow = said or OVERFLOW_POLICY_BLOCK
        if spec is not None:  # an older daemon reads this one
            spec.output.overflow = kept.output.overflow
        if (grace := duration(owner_grace, "owner_grace")) is not None:
            kept.orphan_policy = ORPHAN_POLICY_KILL_ON_OWNER_DISCONNECT
            kept.owner_grace.CopyFrom(grace)
        request = make_create(
            spec,
            parent,
            parameters_json=parameters_json,
            process_id=process_id,
            labels=labels,
            request_id=str(uuid.uuid4()),
            options=kept,
        )
        created = await create(self._channel, request, self._timeout)
        process = self._process(created, stdin_offset=0)
        async with process, owning(self._channel.pinned(created.incarnation), created):
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
        return self._process(await self.get_process(name), stdin_offset=None)

    def _process(self, process: Process, *, stdin_offset: int | None) -> RemoteProcess:
        channel = self._channel.pinned(process.incarnation)
        calls = Calls(channel, self._timeout)
        return RemoteProcess(calls, channel, process, stdin_offset=stdin_offset)
