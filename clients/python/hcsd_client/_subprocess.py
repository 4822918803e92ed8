"""Parameters of `subprocess.run`, `Popen` and `asyncio.create_subprocess_exec`, and what there is instead.

Those that are not here are keywords, and mean the same: `cwd`, `env`, `user`, `umask`, `stdout`, `stderr` and
`timeout`, and of `Client.exec` also `input` and `check`. The manual has a table of all (`hcsd/docs/clients.md`).
"""

_TEXT = "'text' of a Completed and `lines` are text of UTF-8; for others decode the bytes"
_WINDOWS = "a document for HCS, 'parameters_json', has what Windows takes"

INSTEAD = {
    "args": "give the command as the first argument",
    "program": "give the command as the first argument",
    "executable": "give the program as the first word of the command",
    "shell": "give ['sh', '-c', 'what the shell is to run']",
    "capture_output": "leave it out: both outputs are kept, unless they are DEVNULL",
    "text": _TEXT,
    "universal_newlines": _TEXT,
    "encoding": _TEXT,
    "errors": _TEXT,
    "bufsize": "leave it out: output comes as soon as it is there",
    "limit": "leave it out: lines may be of any length",
    "pipesize": "give 'ring_bytes', how much of each output is kept",
    "preexec_fn": "give ['sh', '-c', '...; exec PROGRAM'] to do something before",
    "close_fds": "leave it out: nothing of this program is inherited",
    "pass_fds": "nothing of this program is inherited; give files by their paths",
    "restore_signals": "leave it out: a process begins with the signals of a new one",
    "start_new_session": "leave it out: each process has a session of its own",
    "process_group": "leave it out: each process has a session of its own",
    "group": "give it behind the user, as user='build:docker'",
    "extra_groups": "give a ProcessSpec with 'supplementary_groups' as the command",
    "startupinfo": _WINDOWS,
    "creationflags": _WINDOWS,
}
