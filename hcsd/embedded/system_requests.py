"""What callers ask of a compute system: the check of each request, and the work that it makes.

Each function checks a document on the caller's thread and returns what is to be done on the worker.
So the call itself fails if the document is wrong. The operation fails if something goes wrong later,
or if the call is not legal in the state that the system is in by then.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hcsd.abi.hresult import HR
from hcsd.embedded.documents import parse
from hcsd.embedded.faults import Fault, refusal
from hcsd.embedded.lifecycle import Call
from hcsd.embedded.system_documents import (
    MEASURED,
    SAVE_OPTIONS,
    parse_modify_setting,
    parse_pause_options,
    parse_property_query,
    parse_shutdown_options,
)
from hcsd.host_limits import NEW_KEEPER

if TYPE_CHECKING:
    from hcsd.embedded.system import System
    from hcsd.embedded.work import Done, Work


def start(system: System, options: str | None) -> Work:
    """Check that there are no options; the work starts the system."""
    parse(options, "StartOptions", {})

    def work(done: Done) -> None:
        system.require(Call.START)
        try:
            system.launch()
        except OSError as error:
            subject = f"the keeper of system '{system.id}' cannot be started"
            raise refusal(error, subject, NEW_KEEPER) from None
        done()

    return work


def shut_down(system: System, options: str | None) -> Work:
    """Check ShutdownOptions; the work asks its processes to end, and does not wait."""
    parse_shutdown_options(options)
    return system.shut_down


def terminate(system: System, options: str | None) -> Work:
    """Check that there are no options; the work kills the system, and does not wait."""
    parse(options, "TerminateOptions", {})

    def work(done: Done) -> None:
        system.require(Call.TERMINATE)
        system.end()
        done()

    return work


def pause(system: System, options: str | None) -> Work:
    """Check PauseOptions; the work stops all that runs in the system."""
    parse_pause_options(options)
    return system.pause


def resume(system: System, options: str | None) -> Work:
    """Check that there are no options; the work continues what was stopped."""
    parse(options, "ResumeOptions", {})
    return system.resume


def save(system: System, options: str | None) -> Work:
    """Check SaveOptions; the work refuses it."""
    parse(options, "SaveOptions", SAVE_OPTIONS)
    return lambda _done: system.require(Call.SAVE)


def modify_setting(system: System, settings: str | None) -> Work:
    """Check a ModifySettingRequest; the work refuses it: there is nothing to modify."""
    path = parse_modify_setting(settings)

    def work(_done: Done) -> None:
        system.require(Call.MODIFY)
        raise Fault(HR.ERROR_NOT_SUPPORTED, f"the embedded engine cannot change '{path}'")

    return work


def properties(system: System, query: str | None) -> Work:
    """Check a PropertyQuery; the work answers it."""
    types = parse_property_query(query)

    def work(done: Done) -> None:
        system.require(Call.MEASURE if types & MEASURED else Call.PROPERTIES)
        done(document=json.dumps(system.properties(types)))

    return work
