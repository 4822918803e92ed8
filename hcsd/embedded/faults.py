"""How an export or an operation of the embedded engine fails."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from hcsd.abi.hresult import HR
from hcsd.host_limits import limit_behind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hcsd.host_limits import HostLimit


logger = logging.getLogger(__name__)


class Fault(Exception):  # noqa: N818  (an HRESULT on its way to the caller, not an error of ours)
    """Ends an export, or an operation, with an HRESULT and a ResultError document.

    Args:
        hresult: The code.
        message: What went wrong.
        members: More of the document, which only this engine has.

    Attributes:
        hresult: The code, unsigned.
        document: The ResultError document that explains it.
    """

    def __init__(
        self, hresult: int, message: str, members: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(message)
        self.hresult = int(hresult)
        self.document = json.dumps(
            {
                "Error": self.hresult - (1 << 32),
                "ErrorMessage": message,
                "ErrorEvents": [{"Message": message, "Source": "hcsd.embedded"}],
                **(members or {}),
            }
        )


def limit_fault(
    limit: HostLimit, subject: str, members: Mapping[str, object] | None = None
) -> Fault:
    """Word that a limit of the host is reached, and name it.

    Args:
        limit: The limit.
        subject: What could not be had.
        members: More of the document.
    """
    return Fault(limit.hresult, f"{subject}: {limit}", {**(members or {}), "Limit": limit.name})


def refusal(
    error: OSError,
    subject: str,
    what: str = "",
    otherwise: int = HR.ERROR_NO_SYSTEM_RESOURCES,
) -> Fault:
    """Word that the host has refused something, and name the limit if that is why.

    Args:
        error: What the host has answered.
        subject: What could not be had.
        what: As `hcsd.host_limits.limit_behind` has it.
        otherwise: The code if it is no limit.
    """
    limit = limit_behind(error, what)
    return (
        limit_fault(limit, subject) if limit else Fault(otherwise, f"{subject}: {error.strerror}")
    )


def as_fault(error: Exception) -> Fault:
    """Return what an exception means to a caller; the log has those that should not have come."""
    if isinstance(error, Fault):
        return error
    if limit := limit_behind(error):
        return limit_fault(limit, "the embedded engine")
    logger.error("the embedded engine failed", exc_info=error)
    return Fault(HR.E_UNEXPECTED, "the embedded engine failed; its log says why")
