"""The client for programs without an event loop.

    from hcsd_client.blocking import Client

    with Client() as client:
        with client.run(["sh", "-c", "echo hello; exit 7"]) as process:
            done = process.communicate()
            print(done.stdout, done.exit.exit_code)

Classes and methods are those of `hcsd_client`, with the same arguments, answers and errors, and no code of
their own: an event loop in a thread of the client runs the asynchronous ones. Any thread may call, and
several at a time. An exception that interrupts a call, such as KeyboardInterrupt, cancels it.
"""

from __future__ import annotations

import functools
from contextlib import AbstractAsyncContextManager, AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Concatenate, Generic, ParamSpec, TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal

import hcsd_client as aio
from hcsd_client import ClientClosedError, HcsdClientError, Retry
from hcsd_client._client import KEEPALIVE

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
    from types import TracebackType
    from typing import Self

    import grpc

    from hcsd.v1.event_service_pb2 import WatchEventsResponse
    from hcsd.v1.process_service_pb2 import ReadOutputResponse
    from hcsd_client import Address
    from hcsd_client._link import ChannelOptions

# What raises the TypeError or ValueError for a wrong argument.
_CHECKS = {f"hcsd_client.{name}" for name in ("_keywords", "_requests", "_values", "names")}

Inner = TypeVar("Inner")
Inner_co = TypeVar("Inner_co", covariant=True)
P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F")


class Face(Generic[Inner_co]):
    """A blocking face of an asynchronous object.

    Args:
        inner: The object.
        portal: To the event loop that it lives on.
    """

    def __init__(self, inner: Inner_co, portal: BlockingPortal | None) -> None:
        self._inner = inner
        self._open_portal = portal

    def __repr__(self) -> str:
        """Say what the asynchronous object says."""
        return repr(self._inner)

    @property
    def _portal(self) -> BlockingPortal:
        if self._open_portal is None:
            raise ClientClosedError("the client is not open: use it with 'with'")
        return self._open_portal

    def _wait(self, call: Callable[[], Awaitable[R]]) -> R:
        try:
            future = self._portal.start_task_soon(call)
        except RuntimeError as error:  # the event loop has ended
            raise ClientClosedError("the client is closed") from error
        try:
            return future.result()
        except (HcsdClientError, TypeError, ValueError, TimeoutError) as error:
            raise error.with_traceback(_frames_of(error)) from error.__cause__
        except BaseException:
            future.cancel()  # if it is we who were interrupted
            raise


def _call(
    method: Callable[Concatenate[Inner, P], Awaitable[R]],
) -> Callable[Concatenate[Face[Inner], P], R]:
    """Make a method of a coroutine function."""

    @functools.wraps(method)
    def call(self: Face[Inner], /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._wait(lambda: method(self._inner, *args, **kwargs))

    return call


def _give(
    method: Callable[Concatenate[Inner, P], Awaitable[R]],
    face: Callable[[R, BlockingPortal], F],
) -> Callable[Concatenate[Face[Inner], P], F]:
    """Make a method of a coroutine function whose result has a face, too."""

    @functools.wraps(method)
    def give(self: Face[Inner], /, *args: P.args, **kwargs: P.kwargs) -> F:
        return face(self._wait(lambda: method(self._inner, *args, **kwargs)), self._portal)

    return give


def _begin(
    method: Callable[Concatenate[Inner, P], R], face: Callable[[R, BlockingPortal], F]
) -> Callable[Concatenate[Face[Inner], P], F]:
    """Make a method of a function that waits for nothing, and whose result has a face."""

    @functools.wraps(method)
    def begin(self: Face[Inner], /, *args: P.args, **kwargs: P.kwargs) -> F:
        return face(method(self._inner, *args, **kwargs), self._portal)

    return begin


def _iterate(
    method: Callable[Concatenate[Inner, P], AsyncIterator[R]],
) -> Callable[Concatenate[Face[Inner], P], Iterator[R]]:
    """Make a generator of an asynchronous one."""

    @functools.wraps(method)
    def iterate(self: Face[Inner], /, *args: P.args, **kwargs: P.kwargs) -> Iterator[R]:
        items = method(self._inner, *args, **kwargs)
        while (item := self._wait(lambda: anext(items, None))) is not None:
            yield item

    return iterate


def _enter(
    method: Callable[Concatenate[Inner, P], AbstractAsyncContextManager[R]],
    face: Callable[[R, BlockingPortal], F],
) -> Callable[Concatenate[Face[Inner], P], Entered[R, F]]:
    """Make a context manager of an asynchronous one that gives something with a face."""

    @functools.wraps(method)
    def enter(self: Face[Inner], /, *args: P.args, **kwargs: P.kwargs) -> Entered[R, F]:
        return Entered(method(self._inner, *args, **kwargs), self._portal, face)

    return enter


class Entered(Face[AbstractAsyncContextManager[R]], AbstractContextManager[F]):
    """An asynchronous context manager, entered and left from outside its event loop.

    Each is a task of its own, so the manager must not mind to be left in another than it was entered in.
    Not by `contextlib`: its frames would be in every traceback.

    Args:
        manager: The manager.
        portal: To the event loop that it lives on.
        face: Makes a face of what it gives.
    """

    def __init__(
        self,
        manager: AbstractAsyncContextManager[R],
        portal: BlockingPortal,
        face: Callable[[R, BlockingPortal], F],
    ) -> None:
        super().__init__(manager, portal)
        self._face = face

    def __enter__(self) -> F:
        return self._face(self._wait(self._inner.__aenter__), self._portal)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return self._wait(lambda: self._inner.__aexit__(kind, error, traceback))


def _frames_of(error: Exception) -> TracebackType | None:
    """Return the frames that an error has come through; none if it says itself what a caller did wrong."""
    if isinstance(error, (HcsdClientError, TimeoutError)):
        return None
    innermost = error.__traceback__
    while innermost is not None and innermost.tb_next is not None:
        innermost = innermost.tb_next
    of_caller = innermost is not None and innermost.tb_frame.f_globals["__name__"] in _CHECKS
    return None if of_caller else error.__traceback__


class Output(Face[aio.Output]):
    """The output of a process as messages; see `hcsd_client.Output`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[ReadOutputResponse]:
        while (message := self._wait(lambda: anext(self._inner, None))) is not None:
            yield message

    close = _call(aio.Output.aclose)


class Events(Face[aio.Events]):
    """What happens, as messages; see `hcsd_client.Events`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[WatchEventsResponse]:
        while (message := self._wait(lambda: anext(self._inner, None))) is not None:
            yield message

    close = _call(aio.Events.aclose)


class RemoteInput(Face[aio.RemoteInput]):
    """The stdin of a process; see `hcsd_client.RemoteInput`."""

    write = _call(aio.RemoteInput.write)
    close = _call(aio.RemoteInput.close)
    committed = _call(aio.RemoteInput.committed)


class RemoteOutput(Face[aio.RemoteOutput]):
    """An output of a process; see `hcsd_client.RemoteOutput`."""

    def __iter__(self) -> Iterator[bytes]:
        while (data := self._wait(lambda: anext(self._inner, None))) is not None:
            yield data

    @property
    def offset(self) -> int | None:
        """Offset of the next byte; None until it is known."""
        return self._inner.offset

    @property
    def skipped(self) -> int:
        """How many bytes were gone."""
        return self._inner.skipped

    @property
    def forced(self) -> bool:
        """Whether the daemon ended the stream."""
        return self._inner.forced

    lines = _iterate(aio.RemoteOutput.lines)
    read = _call(aio.RemoteOutput.read)
    receive = _call(aio.RemoteOutput.receive)
    close = _call(aio.RemoteOutput.aclose)


class RemoteProcess(Face[aio.RemoteProcess]):
    """A process of the daemon; see `hcsd_client.RemoteProcess`.

    Attributes:
        name: Its resource name.
        pid: Its process id in the guest.
        created: The process as it was when this object was made.
        stdin: Its stdin.
        stdout: Its stdout from the first byte on; with a console, all output.
        stderr: Its stderr from the first byte on.
    """

    def __init__(self, inner: aio.RemoteProcess, portal: BlockingPortal) -> None:
        super().__init__(inner, portal)
        self.name = inner.name
        self.pid = inner.pid
        self.created = inner.created
        self.stdin = RemoteInput(inner.stdin, portal)
        self.stdout = RemoteOutput(inner.stdout, portal)
        self.stderr = RemoteOutput(inner.stderr, portal)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    output = _begin(aio.RemoteProcess.output, RemoteOutput)
    lines = _iterate(aio.RemoteProcess.lines)
    get = _call(aio.RemoteProcess.get)
    wait = _call(aio.RemoteProcess.wait)
    signal = _call(aio.RemoteProcess.signal)
    terminate = _call(aio.RemoteProcess.terminate)
    resize = _call(aio.RemoteProcess.resize)
    delete = _call(aio.RemoteProcess.delete)
    communicate = _call(aio.RemoteProcess.communicate)
    close = _call(aio.RemoteProcess.aclose)


class Client(Face[aio.Client]):
    """A connection to one daemon; see `hcsd_client.Client`, whose arguments it takes.

    The calls that write and read at the same time, `run_process` and `attach_process`, are left to the
    asynchronous one; `run` and `open` do the same here.
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
        keepalive: float | None = KEEPALIVE,
        interceptors: Sequence[grpc.aio.ClientInterceptor] = (),
        channel_options: ChannelOptions = (),
    ) -> None:
        client = aio.Client(
            address,
            token_file,
            timeout=timeout,
            retry=retry,
            tls_ca_file=tls_ca_file,
            tls_cert_file=tls_cert_file,
            tls_key_file=tls_key_file,
            insecure=insecure,
            keepalive=keepalive,
            interceptors=interceptors,
            channel_options=channel_options,
        )
        super().__init__(client, None)
        self._stack = ExitStack()

    @property
    def address(self) -> Address:
        """Where the daemon listens."""
        return self._inner.address

    def __enter__(self) -> Self:
        """Open the client.

        Raises:
            TokenFileError: The token cannot be read.
            TlsError: A file for TLS cannot be used.
        """
        with ExitStack() as stack:
            portal = stack.enter_context(start_blocking_portal(name="hcsd-client"))
            stack.enter_context(portal.wrap_async_context_manager(self._inner))
            self._open_portal = portal
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open_portal = None
        self._stack.close()

    run = _enter(aio.Client.run, RemoteProcess)
    create = _give(aio.Client.create, RemoteProcess)
    open = _give(aio.Client.open, RemoteProcess)
    exec = _call(aio.Client.exec)
    check_output = _call(aio.Client.check_output)

    create_process = _call(aio.Client.create_process)
    exec_process = _call(aio.Client.exec_process)
    open_process = _call(aio.Client.open_process)
    get_process = _call(aio.Client.get_process)
    list_processes = _iterate(aio.Client.list_processes)
    wait_process = _call(aio.Client.wait_process)
    signal_process = _call(aio.Client.signal_process)
    terminate_process = _call(aio.Client.terminate_process)
    modify_process = _call(aio.Client.modify_process)
    get_process_properties = _call(aio.Client.get_process_properties)
    delete_process = _call(aio.Client.delete_process)
    write_input = _call(aio.Client.write_input)
    read_output = _begin(aio.Client.read_output, Output)
    watch_events = _begin(aio.Client.watch_events, Events)
    list_systems = _iterate(aio.Client.list_systems)
    create_system = _call(aio.Client.create_system)
    get_system = _call(aio.Client.get_system)
    start_system = _call(aio.Client.start_system)
    shut_down_system = _call(aio.Client.shut_down_system)
    terminate_system = _call(aio.Client.terminate_system)
    pause_system = _call(aio.Client.pause_system)
    resume_system = _call(aio.Client.resume_system)
    save_system = _call(aio.Client.save_system)
    modify_system = _call(aio.Client.modify_system)
    get_system_properties = _call(aio.Client.get_system_properties)
    wait_system = _call(aio.Client.wait_system)
    get_host = _call(aio.Client.get_host)
    reload_configuration = _call(aio.Client.reload_configuration)
    get_service_properties = _call(aio.Client.get_service_properties)
    modify_service_settings = _call(aio.Client.modify_service_settings)
