"""Where the daemon keeps its files if nobody says otherwise."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# Beside the token file: the daemon's own CA, whose key is private, and its certificate for clients.
CA_KEY_FILE = "server.key"
CA_FILE = "server.pem"


def default_token_file() -> Path:
    """Return where the token of TCP listeners is kept."""
    return _state_folder() / "hcsd" / "token"


def default_log_file() -> Path:
    """Return where a service writes its log."""
    return _state_folder() / "hcsd" / "hcsd.log"


def _state_folder() -> Path:
    if sys.platform == "win32":  # noqa: TID251  (where a service keeps its files)
        return Path(os.environ["PROGRAMDATA"])
    elif os.geteuid() == 0:  # noqa: RET505  (type checkers follow platforms by branches)
        return Path("/var/lib")
    else:
        return Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser()
