"""The calls: one method for each RPC, by the names of the contract."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from hcsd.v1.process_pb2 import GAP_POLICY_REPORT
from hcsd.v1.process_service_pb2 import (
    TERMINATE_SCOPE_TREE_BEST_EFFORT,
    WAIT_FOR_EXIT,
    CreateProcessResponse,
    DeleteProcessRequest,
    DeleteProcessResponse,
    ExecProcessRequest,
    ExecProcessResponse,
    GetProcessPropertiesRequest,
    GetProcessPropertiesResponse,
    GetProcessRequest,
    ListProcessesRequest,
    OpenProcessRequest,
    ReadOutputRequest,
    RunAttach,
    RunProcessRequest,
    SignalProcessRequest,
    SignalProcessResponse,
    TerminateProcessRequest,
    TerminateProcessResponse,
    WaitProcessRequest,
    WaitProcessResponse,
    WriteInputRequest,
    WriteInputResponse,
)
from hcsd_client._events import EventCalls
from hcsd_client._requests import make_create, make_modify, make_signal
from hcsd_client._run import Run
from hcsd_client._run_once import run_to_end
from hcsd_client._stream import Output
from hcsd_client._system_calls import SystemCalls
from hcsd_client._values import duration, message, moment, text
from hcsd_client.names import ALL_SYSTEMS, HOST_SYSTEM, bare_id, full_process_name, full_system_name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping
    from datetime import datetime

    from hcsd.v1.process_pb2 import (
        GapPolicy,
        OutputCursor,
        Process,
        ProcessOptions,
        ProcessSignal,
        ProcessState,
    )
    from hcsd.v1.process_service_pb2 import StdioHandle, TerminateScope, WaitFor
    from hcsd_client._requests import Command
    from hcsd_client._values import Seconds


class Calls(SystemCalls, EventCalls):
    """The calls to one daemon; see `Client`."""

    async def create_process(
        self,
        command: Command | None = None,
        *,
        parent: str = HOST_SYSTEM,
        parameters_json: str | None = None,
        process_id: str = "",
        labels: Mapping[str, str] | None = None,
        request_id: str = "",
        options: ProcessOptions | None = None,
    ) -> CreateProcessResponse:
        """Start a process that lives on its own.

        Args:
            command: What to run: a `ProcessSpec`, or in short program and arguments, or a string
                as its `command_line`.
            parent: Name of the system to run in.
            parameters_json: Instead of `command`, a document for HcsCreateProcess.
            process_id: Last part of its name. Default: issued by the daemon.
            labels: Labels to store with it.
            request_id: A UUID that makes the call safe to repeat.
            options: How the daemon keeps the process.

        Raises:
            ExecutableNotFoundError: There is no such program.
            NotFoundError: There is no such system.
            InvalidRequestError: The working directory does not exist, or another field is wrong.
            AlreadyExistsError: `process_id` is taken.
            RequestIdReusedError: `request_id` was used with another request.
            FailedPreconditionError: The system is not running.
            TypeError: Not exactly one of `command` and `parameters_json` is given.
        """
        request = make_create(
            command,
            parent,
            parameters_json=parameters_json,
            process_id=process_id,
            labels=labels,
            request_id=request_id,
            options=options,
        )
        return await self._ask(self._channel.processes.CreateProcess, request)

    async def exec_process(
        self,
        command: Command | None = None,
        *,
        stdin: bytes = b"",
        max_output_bytes: int = 0,
        parent: str = HOST_SYSTEM,
        parameters_json: str | None = None,
        process_id: str = "",
        labels: Mapping[str, str] | None = None,
        request_id: str = "",
        options: ProcessOptions | None = None,
    ) -> ExecProcessResponse:
        """Run a process to its end; return how it ended, and what it has written.

        A code other than 0 is no error. A lost connection shows only as a pause: the process is run once.
        A call that is cancelled leaves the process its `owner_grace`, 10 s by default; then it is killed
        with what it has started.

        Args:
            command: As in `create_process`, and so is what is not described here.
            stdin: What it reads before end of file.
            max_output_bytes: How many bytes of each stream to return, the last ones. Default, and at
                most: 1 MiB.
            parent: Name of the system to run in.
            parameters_json: Instead of `command`, a document for HcsCreateProcess.
            process_id: Last part of its name. Default: issued by the daemon.
            labels: Labels to store with it.
            request_id: A UUID. The same call with it returns the result of the same run. Default: a new one.
            options: How the daemon keeps the process; `run_timeout` ends one that takes too long.

        Raises:
            NotFoundError: The process was deleted meanwhile.
            DaemonRestartedError: The daemon lost its state while the process ran.
            CallError: It was not started; see `create_process`.
        """
        create = make_create(
            command,
            parent,
            parameters_json=parameters_json,
            process_id=process_id,
            labels=labels,
            request_id=text(request_id, "request_id") or str(uuid.uuid4()),
            options=options,
        )
        request = message(
            ExecProcessRequest, create=create, stdin=stdin, max_output_bytes=max_output_bytes
        )
        return await run_to_end(self._channel, request)

    async def open_process(
        self, pid: int, *, parent: str = HOST_SYSTEM, process_id: str = ""
    ) -> Process:
        """Make a process known that runs already, by its pid; one that is known is returned as it is.

        Args:
            pid: Its pid in the guest.
            parent: Name of the system that it runs in.
            process_id: Last part of its name. Default: issued by the daemon.

        Raises:
            NotFoundError: There is no such system, or no such process in it.
            AlreadyExistsError: `process_id` is taken, or the process has another.
        """
        request = message(
            OpenProcessRequest,
            parent=full_system_name(parent, "parent"),
            pid=pid,
            process_id=bare_id(process_id, "process_id", "process"),
        )
        return (await self._ask(self._channel.processes.OpenProcess, request)).process

    async def get_process(self, name: str) -> Process:
        """Return a process.

        Raises:
            NotFoundError: There is no such process.
        """
        request = message(GetProcessRequest, name=full_process_name(name))
        return (await self._look(self._channel.processes.GetProcess, request)).process

    async def list_processes(
        self,
        parent: str = ALL_SYSTEMS,
        *,
        states: Iterable[ProcessState] = (),
        labels: Mapping[str, str] | None = None,
        page_size: int = 0,
    ) -> AsyncIterator[Process]:
        """Iterate over the processes of a system, or of all, in order of creation.

        Args:
            parent: Name of a system; by default all.
            states: Only processes in one of these.
            labels: Only processes with all of these.
            page_size: How many to ask for at once. Default: the daemon's.

        Raises:
            NotFoundError: There is no such system.
        """
        request = message(
            ListProcessesRequest,
            parent=full_system_name(parent, "parent"),
            states=states,
            labels=labels,
            page_size=page_size,
        )
        while True:
            page = await self._look(self._channel.processes.ListProcesses, request)
            for process in page.processes:
                yield process
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def wait_process(
        self, name: str, *, wait_for: WaitFor = WAIT_FOR_EXIT, timeout: Seconds | None = None
    ) -> WaitProcessResponse:
        """Wait until a process has exited, or its output is complete too.

        The wait goes on after a lost connection, within the bounds of `Retry`.

        Args:
            name: The process.
            wait_for: `WAIT_FOR_EXIT` or `WAIT_FOR_OUTPUT_COMPLETE`.
            timeout: Seconds after which to answer with `timed_out`. Default: without limit.

        Raises:
            NotFoundError: There is no such process, or it was deleted meanwhile.
        """
        request = message(WaitProcessRequest, name=full_process_name(name), wait_for=wait_for)
        return await self._wait(
            self._channel.processes.WaitProcess, request, f"the wait for '{name}'", timeout
        )

    async def signal_process(
        self, name: str, signal: str | int | ProcessSignal
    ) -> SignalProcessResponse:
        """Send a signal; to a process that has exited it is no error, see `delivery`.

        It is sent at most once. While the daemon is away it is not sent, and waits for it, within the
        bounds of `Retry`; if the connection is lost, it may have been delivered.

        Args:
            name: The process.
            signal: Name with or without ``SIG``, number, or a `ProcessSignal`.

        Raises:
            NotFoundError: There is no such process.
            FailedPreconditionError: It has not started.
        """
        request = message(
            SignalProcessRequest, name=full_process_name(name), signal=make_signal(signal)
        )
        return await self._ask_once(
            self._channel.processes.SignalProcess, request, f"a signal to '{name}'"
        )

    async def terminate_process(
        self,
        name: str,
        *,
        scope: TerminateScope = TERMINATE_SCOPE_TREE_BEST_EFFORT,
        grace_period: Seconds | None = None,
    ) -> TerminateProcessResponse:
        """Kill a process with its descendants, and wait until it has exited.

        That it has exited before is no error: then what is left of its descendants is killed. A
        cancellation ends the wait only: the kill comes all the same. After a lost connection it is
        asked for again, within the bounds of `Retry`.

        Args:
            name: The process.
            scope: What to kill. Default: the tree, or the process alone where the engine cannot tell
                what descends from it; ``scope_applied`` of the answer says which it was.
                `TERMINATE_SCOPE_TREE` fails there instead; `TERMINATE_SCOPE_PROCESS` leaves the
                descendants alone.
            grace_period: Seconds it gets after a TERM signal before it is killed. Default: none.

        Raises:
            NotFoundError: There is no such process.
            FailedPreconditionError: It has not started.
            UnimplementedError: `scope` is `TERMINATE_SCOPE_TREE`, and the engine cannot do that.
        """
        request = message(
            TerminateProcessRequest,
            name=full_process_name(name),
            scope=scope,
            grace_period=duration(grace_period, "grace_period"),
        )
        return await self._wait(
            self._channel.processes.TerminateProcess, request, f"the end of '{name}'"
        )

    async def modify_process(
        self,
        name: str,
        *,
        console_size: tuple[int, int] | None = None,
        close_handles: Iterable[StdioHandle] | None = None,
        modification_json: str | None = None,
    ) -> Process:
        """Resize the console of a process, or close some of its handles.

        Args:
            name: The process.
            console_size: New columns and rows.
            close_handles: Handles to close, as in `STDIO_HANDLE_STDIN`.
            modification_json: A document for HcsModifyProcess.

        Raises:
            NotFoundError: There is no such process.
            FailedPreconditionError: It has no console, or has exited.
            TypeError: Not exactly one of the changes is given.
        """
        request = make_modify(name, console_size, close_handles, modification_json)
        return (await self._ask(self._channel.processes.ModifyProcess, request)).process

    async def get_process_properties(
        self, name: str, *, property_query_json: str = ""
    ) -> GetProcessPropertiesResponse:
        """Ask HCS about a process.

        Args:
            name: The process.
            property_query_json: A document for HcsGetProcessProperties.

        Raises:
            NotFoundError: There is no such process.
            FailedPreconditionError: HCS has no information on it.
        """
        request = message(
            GetProcessPropertiesRequest,
            name=full_process_name(name),
            property_query_json=property_query_json,
        )
        return await self._look(self._channel.processes.GetProcessProperties, request)

    async def delete_process(
        self,
        name: str,
        *,
        force: bool = False,
        allow_missing: bool = False,
        scope: TerminateScope = TERMINATE_SCOPE_TREE_BEST_EFFORT,
    ) -> DeleteProcessResponse:
        """Make the daemon forget a process.

        Args:
            name: The process.
            force: Kill it first if it is running.
            allow_missing: No such process is no error.
            scope: What `force` kills, as in `terminate_process`. Without `force` it is not sent.

        Raises:
            NotFoundError: There is no such process.
            FailedPreconditionError: It is running.
            UnimplementedError: As in `terminate_process`.
        """
        request = message(
            DeleteProcessRequest,
            name=full_process_name(name),
            force=force,
            allow_missing=allow_missing,
            scope=scope,
        )
        if not force:
            request.ClearField("scope")
        return await self._ask(self._channel.processes.DeleteProcess, request)

    async def write_input(
        self,
        name: str,
        data: bytes = b"",
        *,
        offset: int = 0,
        close_stdin: bool = False,
        timeout: Seconds | None = None,
    ) -> WriteInputResponse:
        """Write to the stdin of a process, and wait until the pipe has taken all of it.

        It is asked once; `RemoteProcess.stdin` goes on after a lost connection.

        Args:
            name: The process.
            data: The bytes; those below the committed offset are skipped.
            offset: Where they start, counted from the start of the process.
            close_stdin: Whether the process is to read end-of-file after them.
            timeout: Seconds after which to answer with `timed_out`. Default: without limit.

        Raises:
            NotFoundError: There is no such process.
            StdinBusyError: Somebody else is writing.
            StdinClosedError: Stdin is closed, and some of the bytes were not written before.
            OutOfRangeError: Bytes before `offset` are missing.
        """
        request = message(
            WriteInputRequest,
            name=full_process_name(name),
            offset=offset,
            data=data,
            close_stdin=close_stdin,
            timeout=duration(timeout, "timeout"),
        )
        return await self._ask(self._channel.processes.WriteInput, request, patient=True)

    def read_output(
        self,
        name: str,
        *,
        cursors: Iterable[OutputCursor] = (),
        follow: bool = False,
        gap_policy: GapPolicy = GAP_POLICY_REPORT,
        max_chunk_bytes: int = 0,
        timestamps: bool = False,
        since: datetime | None = None,
        last_lines: int | None = None,
    ) -> Output:
        """Read what a process writes, from any place that is still kept; see `Output`.

        Args:
            name: The process.
            cursors: Streams to read, and from where. Default: both from their start.
            follow: Go on until the process has exited and its streams have ended.
            gap_policy: `GAP_POLICY_FAIL` to fail where bytes are gone, instead of a ``gap``.
            max_chunk_bytes: Size limit of a chunk. Default: the daemon's.
            timestamps: Tell in each chunk when it was read from the process, `read_time`.
            since: Leave out what was read before. A time without a zone is local.
            last_lines: Begin with this many last lines of all streams together. Default: all.

        Raises (while iterating):
            NotFoundError: There is no such process, or it was deleted meanwhile.
            FailedPreconditionError: It was opened by its pid and has no streams.
            OutOfRangeError: A cursor lies past the end; `OutputEvictedError` before the start.
        """
        request = message(
            ReadOutputRequest,
            name=full_process_name(name),
            cursors=cursors,
            follow=follow,
            gap_policy=gap_policy,
            max_chunk_bytes=max_chunk_bytes,
            timestamps=timestamps,
            since=moment(since, "since"),
            last_lines=last_lines,
        )
        return Output(self._channel, request)

    def run_process(
        self,
        command: Command | None = None,
        *,
        parent: str = HOST_SYSTEM,
        parameters_json: str | None = None,
        process_id: str = "",
        labels: Mapping[str, str] | None = None,
        request_id: str = "",
        options: ProcessOptions | None = None,
    ) -> Run:
        """Start a process and stay connected with it; see `Run`.

        Arguments and errors are those of `create_process` and `read_output`; entering the run
        starts the process, and the iteration raises. Its stdin is closed unless the spec's
        `stdin_mode` is `STDIN_MODE_PIPE`. With a `request_id` it goes on also if the connection is lost
        before the answer, and the process is started once.
        """
        request = make_create(
            command,
            parent,
            parameters_json=parameters_json,
            process_id=process_id,
            labels=labels,
            request_id=request_id,
            options=options,
        )
        return Run(self._channel, RunProcessRequest(create=request))

    def attach_process(
        self,
        name: str,
        *,
        cursors: Iterable[OutputCursor] = (),
        gap_policy: GapPolicy = GAP_POLICY_REPORT,
        max_chunk_bytes: int = 0,
        take_over: bool = False,
        owner: bool = False,
        without_output: bool = False,
        timestamps: bool = False,
        since: datetime | None = None,
        last_lines: int | None = None,
    ) -> Run:
        """Connect with a process that is there already, as its creator is; see `Run`.

        Args:
            name: The process.
            cursors: Where to start, once per stream; others are left out. Default: both streams
                from offset 0.
            gap_policy: What to do about bytes that are gone.
            max_chunk_bytes: Size limit of a chunk. Default: the daemon's.
            take_over: Whether the first write to stdin takes the place of its present writer.
            owner: Whether to become the owner of the process, see ``OrphanPolicy``.
            without_output: Whether to read no output, only ``started``, ``exit`` and ``end``.
            timestamps: As in `read_output`, and so are the next two.
            since: Leave out what was read before.
            last_lines: Begin with this many last lines.

        Errors are those of `read_output`.
        """
        request = message(
            RunAttach,
            name=full_process_name(name),
            cursors=cursors,
            gap_policy=gap_policy,
            max_chunk_bytes=max_chunk_bytes,
            take_over=take_over,
            owner=owner,
            without_output=without_output,
            timestamps=timestamps,
            since=moment(since, "since"),
            last_lines=last_lines,
        )
        return Run(self._channel, RunProcessRequest(attach=request))
