"""Limits on how much there may be at once; each is a setting of the daemon."""

from __future__ import annotations

import grpc

from hcsd.service.errors import RequestError


class LimitError(RequestError):
    """There are as many of something as there may be.

    Args:
        limit: Name of the setting, as `Limits` has it: ``max_`` and what is limited.
        value: How many there may be.
        remedy: What makes room.
    """

    def __init__(self, limit: str, value: int, remedy: str) -> None:
        kind = limit.removeprefix("max_")
        option = limit.replace("_", "-")
        super().__init__(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            f"TOO_MANY_{kind.upper()}",
            f"there are {value} {kind.replace('_', ' ')} already, the most that may be: {remedy},"
            f" or serve with a higher '--{option}'",
            metadata={"limit": limit, "value": str(value)},
        )
