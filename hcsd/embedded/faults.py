"""How an export or an operation of the embedded engine fails."""

from __future__ import annotations

import json


class Fault(Exception):  # noqa: N818  (an HRESULT on its way to the caller, not an error of ours)
    """Ends an export, or an operation, with an HRESULT and a ResultError document.

    Attributes:
        hresult: The code, unsigned.
        document: The ResultError document that explains it.
    """

    def __init__(self, hresult: int, message: str) -> None:
        super().__init__(message)
        self.hresult = int(hresult)
        self.document = json.dumps(
            {
                "Error": self.hresult - (1 << 32),
                "ErrorMessage": message,
                "ErrorEvents": [{"Message": message, "Source": "hcsd.embedded"}],
            }
        )
