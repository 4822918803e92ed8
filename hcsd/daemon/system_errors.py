"""What a call about a compute system fails with: errors of HCS, with the system named."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from hcsd.abi.hresult import HR
from hcsd.daemon.errors import HcsFailureError, Resource
from hcsd.daemon.names import system_name
from hcsd.hcs.errors import (
    AlreadyStoppedError,
    HandleClosedError,
    HcsError,
    InvalidStateError,
    SystemNotFoundError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

# How HCS answers, besides by its own codes, that a system has no figures: it is about to start, or to
# stop. Source: what hcsshim takes for the answer of a container that is gone, when it asks for figures.
NO_FIGURES = (HR.E_ACCESSDENIED, HR.ERROR_INVALID_HANDLE)


def stopped(system_id: str) -> AlreadyStoppedError:
    """Return the error of a call about a system that has ended."""
    return AlreadyStoppedError(
        HR.SYSTEM_ALREADY_STOPPED, "", subject=f"use compute system '{system_id}'"
    )


def ended_at_start(system_id: str, exit_type: str, status: int) -> HcsError:
    """Return the error of a start after which the system has ended already.

    Args:
        system_id: Which one.
        exit_type: How it ended, by HCS's names.
        status: HRESULT of the exit, unsigned.
    """
    how = exit_type or "how is not known"
    return HcsError(
        HR.TERMINATED_DURING_START,
        "",
        subject=f"start compute system '{system_id}'",
        text=f"it was started and has ended at once: {how} (0x{status:08X})",
    )


def failure(error: HcsError, system_id: str) -> HcsFailureError:
    """Return what a call about a system has failed with, with the system named."""
    name = system_name(system_id)
    if error.function == "HcsGetComputeSystemProperties" and error.hresult in NO_FIGURES:
        text = f"it is about to start or to stop ({error.text})"
        error = InvalidStateError(
            HR.INVALID_STATE,
            error.function,
            subject=error.subject,
            text=text,
            document=error.document,
            events=error.events,
        )
    missing = isinstance(error, SystemNotFoundError)
    return HcsFailureError(
        error,
        metadata={"system": name},
        resource=Resource("ComputeSystem", name) if missing else None,
    )


@contextlib.contextmanager
def about(system_id: str) -> Iterator[None]:
    """Name the system in the errors of what is done inside."""
    try:
        yield
    except HandleClosedError as error:  # it ended meanwhile
        raise failure(stopped(system_id), system_id) from error
    except HcsError as error:
        raise failure(error, system_id) from error
