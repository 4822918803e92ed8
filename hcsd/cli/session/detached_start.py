"""`hcsd run -d`: a process is started and left to itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from hcsd.cli import exit_codes
from hcsd.cli.errors import say_error, start_exit_code
from hcsd.cli.hints import add_hint
from hcsd.cli.output.text import say, show
from hcsd.cli.resource_names import short_name
from hcsd.cli.session.standard_streams import STDIN
from hcsd.cli.session.stdin_reader import Stdin
from hcsd_client import CallError, StdinClosedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcsd.v1.process_pb2 import ProcessSpec
    from hcsd_client import Client, RemoteProcess


async def start(
    client: Client,
    spec: ProcessSpec,
    parent: str,
    name: str,
    labels: Mapping[str, str],
    *,
    pin: bool,
    feed: bool,
) -> int:
    """Start a process and print its name.

    Args:
        client: Open client.
        spec: What to run.
        parent: Resource name of its system.
        name: Its id; "" for a new one.
        labels: Its labels.
        pin: Whether it is kept until it is removed.
        feed: Whether all of our stdin is sent to it before this returns.

    Returns:
        The exit code.
    """
    try:
        created = await client.create(spec, parent=parent, process_id=name, labels=labels, pin=pin)
    except CallError as error:
        await add_hint(client, error)
        say_error(error)
        return start_exit_code(error)
    show(created.name)
    if feed and not await _send_stdin(created):
        return exit_codes.RUN_FAILED
    return 0


async def _send_stdin(process: RemoteProcess) -> bool:
    """Send all of our stdin to a process, as fast as it reads, and close its stdin.

    A process that does not want all of it is no error.

    Returns:
        Whether we could read it to its end.

    Raises:
        CallError: It was not sent; a note says what has become of the process.
    """
    name = short_name(process.name)
    left = f"'{name}' goes on and waits for more of its stdin: end it with 'hcsd kill {name}'"
    stdin, whole = Stdin(STDIN), True
    try:
        try:
            while data := await stdin.read():
                await process.stdin.write(data)
        except OSError as error:
            say(f"cannot read stdin: {error.strerror}")
            whole = False
        await process.stdin.close()
    except StdinClosedError:  # that is how a process says that it has enough
        pass
    except anyio.get_cancelled_exc_class():
        say(left)
        raise
    except CallError as error:
        error.add_note(left)
        raise
    return whole
