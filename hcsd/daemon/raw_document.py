"""ProcessParameters documents that a client has written itself.

    document ──read leniently──▶ shown
             ───────────────────▶ HCS, as it is
             ──options──────────▶ HCS, with the members that say what pipes there are

HCS judges such a document; what is read here is for people who look at the process.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hcsd.daemon.errors import InvalidRequestError, Violation
from hcsd.daemon.process_shape import Shape
from hcsd.daemon.spec import MAX_SIDE, ConsoleSize, ProcessSpec, StdinMode
from hcsd.daemon.streams import Stream

if TYPE_CHECKING:
    from hcsd.daemon.options import Options

_PIPES = {Stream.STDOUT: "CreateStdOutPipe", Stream.STDERR: "CreateStdErrPipe"}


def read_document(document: str) -> ProcessSpec:
    """Read what has a place in a spec out of a raw document; HCS judges the rest.

    What is not as HCS has it is left out, since nothing is known of the process then.
    """
    members = _members(document)
    if members is None:
        return ProcessSpec()
    line, args = members.get("CommandLine"), members.get("CommandArgs")
    environment = members.get("Environment")
    if not isinstance(environment, dict):
        environment = {}
    return ProcessSpec(
        command_line=_as_utf8(line) if isinstance(line, str) else None,
        argv=tuple(_as_utf8(str(arg)) for arg in args)
        if isinstance(args, list) and not isinstance(line, str)
        else (),
        working_directory=_text(members.get("WorkingDirectory")),
        user=_text(members.get("User")),
        env=tuple((_text(name), _text(value)) for name, value in environment.items()),
        restricted_token=members.get("RestrictedToken") is True,
        shape=Shape.read(members),
        console=_console(members.get("ConsoleSize"))
        if members.get("EmulateConsole") is True
        else None,
        stdin_mode=StdinMode.PIPE if members.get("CreateStdInPipe") is True else StdinMode.CLOSED,
    )


def with_pipes(document: str, options: Options, *, console: bool, tag: str = "") -> str:
    """Return a document that asks for the pipes of some options; the same if there is nothing to ask for.

    Args:
        document: The client's.
        options: Its options.
        console: Whether the document asks for a console, which has one stream anyway.
        tag: What the engine is to call the process; "" for nothing.

    Raises:
        InvalidRequestError: Nothing can be put into the document.
    """
    wanted = not console and bool(options.discard or options.stderr_to_stdout)
    if not wanted and not tag:
        return document
    members = _members(document)
    if members is None and not wanted:
        return document  # HCS says what is wrong with it
    if members is None:
        raise InvalidRequestError(
            [
                Violation(
                    "parameters_json",
                    "string.json",
                    "must be a JSON object, since 'options.output' is put into it",
                )
            ]
        )
    if wanted:
        members |= {name: False for stream, name in _PIPES.items() if not options.has_pipe(stream)}
        if options.stderr_to_stdout:
            members["StdErrToStdOut"] = True
    if tag:
        members["Tag"] = tag
    return json.dumps(members)


def _members(document: str) -> dict[str, object] | None:
    """Return the members of a document; None if it is no JSON object."""
    try:
        members = json.loads(document)
    except (ValueError, RecursionError):
        return None
    return members if isinstance(members, dict) else None


def _console(size: object) -> ConsoleSize:
    if not isinstance(size, list) or len(size) != 2:  # height and width
        return ConsoleSize(0, 0)
    rows, columns = (
        side if isinstance(side, int) and 0 <= side <= MAX_SIDE else 0 for side in size
    )
    return ConsoleSize(columns, rows)


def _text(value: object) -> str:
    return _as_utf8(value) if isinstance(value, str) else ""


def _as_utf8(text: str) -> str:
    """Put `?` for what JSON can hold and UTF-8 cannot: half a surrogate pair."""
    return text.encode(errors="replace").decode()
