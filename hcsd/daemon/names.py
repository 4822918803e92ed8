"""Resource names: ``systems/{system_id}`` and ``systems/{system_id}/processes/{process_id}``.

Ids of HCS may hold any character; outside ``[A-Za-z0-9._~@-]`` they are percent-encoded in names.
"""

from __future__ import annotations

import re
import secrets
import time
from typing import NamedTuple
from urllib.parse import quote, unquote

ID_CHARACTERS = "(?:[A-Za-z0-9._~@-]|%(?!00)[0-9A-Fa-f]{2})+"  # NUL would end the id in C
PROCESS_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
SYSTEM_NAME = re.compile(f"systems/({ID_CHARACTERS})")
PROCESS_NAME = re.compile(f"systems/({ID_CHARACTERS})/processes/({PROCESS_ID.pattern})")

ANY_SYSTEM = "-"

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ULID_LENGTH = 26  # characters of 5 bits for 48 bits of milliseconds and 80 of chance


def new_ulid() -> str:
    """Return a new ULID: an id that sorts by the time it was made. Source: github.com/ulid/spec."""
    value = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    return "".join(_CROCKFORD[value >> 5 * place & 31] for place in reversed(range(_ULID_LENGTH)))


class ProcessKey(NamedTuple):
    """Identity of a process in the daemon."""

    system_id: str
    process_id: str

    @property
    def name(self) -> str:
        """Its resource name."""
        return f"{system_name(self.system_id)}/processes/{self.process_id}"


def system_name(system_id: str) -> str:
    """Return the resource name of a compute system."""
    return f"systems/{quote(system_id, safe='~@')}"


def parse_system(name: str) -> str:
    """Return the system id of a name that `SYSTEM_NAME` matches."""
    return unquote(name.removeprefix("systems/"))


def parse_process(name: str) -> ProcessKey:
    """Return the ids of a name that `PROCESS_NAME` matches."""
    _, system, _, process = name.split("/")
    return ProcessKey(unquote(system), process)
