"""Creates that are the field `create` of another request, as those of RunProcess and ExecProcess."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from hcsd.daemon.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def within_create() -> Iterator[None]:
    """Let errors that are raised inside name fields as of `create`."""
    try:
        yield
    except RequestError as error:
        raise error.within("create") from error
