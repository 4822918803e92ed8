"""Long texts on a terminal, through the pager that the person has.

PAGER names it, as for `man` and `git`. Empty, it means none. Without PAGER it is `less`, if that is
installed.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys

from hcsd.cli.output.text import say

DEFAULT = "less"
LESS = (
    "FRX"  # a short text needs no key; colours are shown; the text stays on the screen afterwards
)


def page_through(text: str) -> bool:
    """Show a text in the pager, and wait until the person leaves it.

    Returns:
        Whether it was shown. If not, there is no pager, or it could not be started; people are told
        about the latter.
    """
    pager = os.environ.get("PAGER", shutil.which(DEFAULT) and DEFAULT)
    if not pager:
        return False
    try:
        # Windows takes the command as it is written.
        command = pager if os.name == "nt" else shlex.split(pager)
        process = subprocess.Popen(  # noqa: S603  (the person's own choice)
            command,
            stdin=subprocess.PIPE,
            encoding=sys.stdout.encoding,
            errors="replace",
            env={"LESS": LESS, **os.environ},
        )
    except (OSError, ValueError) as error:
        say(f"cannot start the pager '{pager}': {error}")
        return False
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the pager
    try:
        process.communicate(text)  # a pager that is left early is no error
    finally:
        signal.signal(signal.SIGINT, before)
    return True
