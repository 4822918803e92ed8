"""Runs one command against the daemon and turns how it ended into an exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import typer

from hcsd.cli import exit_codes
from hcsd.cli.connection import client_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from hcsd_client import Client


def execute(
    context: typer.Context,
    work: Callable[[Client], Awaitable[int]],
    *,
    failure_code: int = exit_codes.FAILED,
) -> NoReturn:
    """Run `work` with an open client and exit with its exit code.

    It may run twice, if it fails for a name that turns out to be a part of an id: see `hints`.

    An error of the client, a terminal that is missing, or an argument that is not UTF-8, is told on stderr and exits with
    `failure_code`, or with the process's share of it where that is what failed.
    """
    # Imported here, so that help does not load gRPC.
    import anyio

    from hcsd.cli.errors import say_error
    from hcsd.cli.hints import understanding
    from hcsd.cli.lost_connection import telling_lost_connections
    from hcsd.cli.output.text import end_line, say, tell_lost_output
    from hcsd.cli.terminal.terminal import NoTerminalError
    from hcsd.cli.wake_on_signals import waking_on_signals
    from hcsd_client import HcsdClientError

    async def main() -> int:
        with waking_on_signals(), telling_lost_connections():
            async with client_of(context) as client:
                return await understanding(client, lambda: work(client))

    try:
        code = anyio.run(main)
    except HcsdClientError as error:
        say_error(error)
        code = failure_code
    except NoTerminalError as error:
        say(str(error))
        code = failure_code
    except UnicodeEncodeError as error:
        shown = error.object.encode(errors="surrogateescape").decode(errors="backslashreplace")
        say(f"'{shown}' is not UTF-8, and the daemon takes nothing else: use another text or name")
        code = failure_code
    except BrokenPipeError:
        code = exit_codes.BROKEN_PIPE
    except OSError as error:
        code = tell_lost_output(error, failure_code)
    except KeyboardInterrupt:
        end_line()
        code = exit_codes.INTERRUPTED
    raise typer.Exit(code)


async def for_each(
    client: Client, names: Sequence[str], act: Callable[[str], Awaitable[object]]
) -> int:
    """Do something for one name after the other; what fails for one is told, and the others follow.

    Returns:
        The exit code.

    Raises:
        UnavailableError: Then it would fail for the others, too.
    """
    from hcsd.cli.errors import say_error
    from hcsd.cli.hints import understanding
    from hcsd_client import CallError, UnavailableError

    async def act_on(name: str) -> None:
        await understanding(client, lambda: act(name))

    code = 0
    for name in names:
        try:
            await act_on(name)
        except UnavailableError:
            raise
        except CallError as error:
            say_error(error)
            code = exit_codes.FAILED
    return code
