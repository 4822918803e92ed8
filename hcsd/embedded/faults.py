"""How an export or an operation of the embedded engine fails."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


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
