"""Commands that are run to their end, in the words of `subprocess`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hcsd_client._calls import Calls
from hcsd_client._completed import Completed, OutputTruncatedError, ProcessTimeoutError
from hcsd_client._keywords import spec_and_options
from hcsd_client._values import data, flag, number
from hcsd_client.names import HOST_SYSTEM

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Unpack

    from hcsd_client._keywords import ProcessKeywords
    from hcsd_client._requests import Command
    from hcsd_client._values import Bytes


_MOST = 2**32 - 1  # that a message can ask for; the daemon says what it allows


class ExecCalls(Calls):
    """Commands that are run to their end; see `Client`."""

    async def exec(
        self,
        command: Command | None = None,
        *,
        input: Bytes | str = b"",  # noqa: A002  (the word of subprocess)
        check: bool = False,
        max_output_bytes: int = 0,
        parent: str = HOST_SYSTEM,
        parameters_json: str | None = None,
        process_id: str = "",
        labels: Mapping[str, str] | None = None,
        **keywords: Unpack[ProcessKeywords],
    ) -> Completed:
        """Run a command to its end, and return how it ended and what it wrote, as `subprocess.run` does.

        A lost connection shows only as a pause, and the command is run once. If this call is cancelled, or
        the program ends, the daemon kills the process 10 s later, with all that it has started.

        Args:
            command: A list of the program and its arguments; or a text, which is a command line; or a
                `ProcessSpec`.
            input: What it reads from stdin before end of file. A text is sent as UTF-8.
            check: Whether an exit code other than 0 is a `ProcessFailedError`.
            max_output_bytes: How many bytes of each output to return, the last ones. Default, and at
                most: 1 MiB; see `Completed.truncated`.
            parent: The system to run in, by its name or id.
            parameters_json: Instead of `command`, a document for HcsCreateProcess.
            process_id: Last part of its name. Default: issued by the daemon.
            labels: Labels to store with it.
            keywords: Where and how to run it, see `ProcessKeywords`.

        Raises:
            ProcessTimeoutError: It took longer than `timeout`, and was killed with what it had started.
            ProcessFailedError: See `check`.
            ExecutableNotFoundError: There is no such program.
            CallError: It was not started for another reason; see `Client.create`.
            TypeError: A keyword, or its value, is of another kind.
        """
        spec, options = spec_and_options(command, keywords)
        must_succeed = flag(check, "check")
        answer = await self.exec_process(
            spec,
            stdin=data(input, "input"),
            max_output_bytes=min(number(max_output_bytes, "max_output_bytes", "bytes"), _MOST),
            parent=parent,
            parameters_json=parameters_json,
            process_id=process_id,
            labels=labels,
            options=options,
        )
        out, err = answer.stdout, answer.stderr
        completed = Completed(
            answer.process.name,
            answer.process.exit,
            out.data,
            err.data,
            truncated=any(output.end_offset > len(output.data) for output in (out, err)),
        )
        if completed.timed_out:
            raise ProcessTimeoutError(completed)
        return completed.check() if must_succeed else completed

    async def check_output(
        self,
        command: Command,
        *,
        input: Bytes | str = b"",  # noqa: A002  (the word of subprocess)
        parent: str = HOST_SYSTEM,
        **keywords: Unpack[ProcessKeywords],
    ) -> bytes:
        """Run a command that must succeed, and return what it wrote to stdout.

        Arguments and errors are those of `exec`, and:

        Raises:
            OutputTruncatedError: It wrote more than 1 MiB.
        """
        completed = await self.exec(command, input=input, check=True, parent=parent, **keywords)
        if completed.truncated:
            raise OutputTruncatedError(completed)
        return completed.stdout
