"""The configuration file of `hcsd serve`: what is taken, what is refused and how, and what is printed."""

import os
import tomllib
from pathlib import Path

import pytest

from hcsd.cli.configuration_entries import LIVE
from hcsd.daemon.settings import OPTIONS
from tests.support import commands
from tests.support.daemon import serving


def hcsd(*words: str, **variables: str) -> tuple[int, str, str]:
    """Run a command; returns its exit code and what it has written."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("HCSD_")}
    done = commands.run_blocking(words, inherited | {"COLUMNS": "1000"} | variables)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "hcsd.toml"


WRONG = '''\
# A comment.
max-proceses = 5
"max-processes" = "100"
max_processes = 3
stall-timeout = true
exited-retention = "90x"
ring-memory = 512  # this is right
record-memory = "1k"
max-systems = 0
max-calls = 1979-05-27
max-connections = 1.5
log-level = "degub"
log-format = 5
token-file = "~/token"
tls-cert = "a.pem"
pass-env = """
max-processes = 3
"""
listen = [
  "unix:///tmp/x",
  5,
  # listen
]
config = "x"
keepalive-time = 0x7fffffffffffffffffffff
log-file = ["x"]
connection-age = inf
max-message = "3g"
event-ring = { a = 1 }
request-timeout = "512m"  # minutes
start-timeout = 1e400
max-owner-grace = 07:32:00
tls-client-ca = ""
control-groups = "v3"
[log]
level = "debug"
'''
TOLD = """\
2: max-proceses: there is no such entry; did you mean 'max-processes' or 'max-message'?
3: max-processes: "100" is a text; write a number, as in 100, without quotes
4: max_processes: is the same as 'max-processes' in line 3; leave out one of them
5: stall-timeout: true is a boolean; write a time, as in "90s" or "15m"
6: exited-retention: '90x' is not a duration; write it as in 10s, 500ms or 1m30s
8: record-memory: '1k' is out of range; the least is 1m, the most 1024t
9: max-systems: '0' is out of range; the least is 1, the most 2147483647
10: max-calls: 1979-05-27 is a date; write a number, as in 100
11: max-connections: 1.5 is a fraction; write a number, as in 100
12: log-level: "degub" is not known; write one of "debug", "info", "warning", "error"; did you mean 'debug'?
13: log-format: 5 is a number; write one of "text", "json"
14: token-file: "~/token" begins with '~', which only shells know; write the whole path
15: tls-cert: needs --tls-key, too
16: pass-env: 'max-processes = 3\\n' is not the name of a variable; its value is that of the daemon
19: listen: 5 in the array is a number; write texts alone
24: config: is for the command line alone; leave it out
25: keepalive-time: 0x7fffffffffffffffffffff is out of range
26: log-file: ["x"] is an array; write the path of a file
27: connection-age: 'inf' is not a duration; write it as in 10s, 500ms or 1m30s
28: max-message: '3g' is out of range; the least is 1m, the most 2047m
29: event-ring: { a = 1 } is a table; write a number, as in 100
31: start-timeout: 'inf' is not a duration; write it as in 10s, 500ms or 1m30s
32: max-owner-grace: 07:32:00 is a time of day; write a time, as in "90s" or "15m"
33: tls-client-ca: "" names no file; write its path
34: control-groups: "v3" is not known; write one of "auto", "v2", "v1", "off"
35: [log]: there are no tables; move its entries above it, by the long names of the options
"""


def test_all_that_is_wrong_is_told_at_once_and_the_daemon_says_the_same(file: Path) -> None:
    file.write_text(WRONG, "utf-8")
    told = [f"{file}:{line}" for line in TOLD.splitlines()]
    code, stdout, stderr = hcsd("config", "check", str(file))
    assert (code, stdout.splitlines(), stderr) == (1, told, "")
    code, stdout, stderr = hcsd("serve", "--config", str(file))
    # What the command line could still mend is told only if nothing else is wrong.
    expected = [f"hcsd: {line}" for line in told if "needs --tls-key" not in line]
    assert stderr.splitlines()[:-1] == expected
    assert "cannot start" in stderr.splitlines()[-1]
    assert (code, stdout) == (1, "")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            "max-calls = 2\nlog-level = debug",
            "2: 'log-level = debug' is not TOML: this is no value;",
        ),
        (
            "max-calls = 2\nmax-calls = 2",
            "2: 'max-calls = 2' is not TOML: the entry is there twice",
        ),
        ("max-calls", "1: 'max-calls' is not TOML: write NAME = VALUE"),
        ('listen = ["x"', "1: 'listen = [\"x\"' is not TOML: unclosed array"),
        ("max-calls = " + "9" * 5000, " it is not TOML: "),
        ("listen = " + "[" * 5000, " it is not TOML: arrays or tables are nested too deeply"),
        ("#" * 70_000, "has more than 65536 bytes"),
        ("#\n# \xff", " it is not UTF-8 in line 2; save it as UTF-8"),
        ("\xff\xfem\0", " it is UTF-16; save it as UTF-8"),
        ('listen = "nonsense"', "1: listen: 'nonsense' is not an address of a daemon"),
        ('listen = "unix:///tmp/x"\ntls-client-ca = "x"', "2: tls-client-ca: is for TCP, and the"),
        ('tls-key = "x"', "1: tls-key: needs --tls-cert, too"),
        ('on-stop = "kep"', """1: on-stop: "kep" is not known; write one of "end", "keep"; did"""),
        ('state-dir = ""', '1: state-dir: "" names no file'),
        ("restore-window = 1e9", "1: restore-window: '1000000000.0' is out of range; it is 0, or"),
        (
            'restore-window = "0s"\nstate-dir = "x"',
            "2: state-dir: needs --restore-window, which is 0; leave out one of them",
        ),
        (
            'on-stop = "keep"\nrestore-window = 0',
            "1: on-stop: keep needs --restore-window, which is 0",
        ),
        ('on-stop = "keep"\nlisten = "[::1]:7443"', "1: on-stop: keep needs --state-dir, since"),
    ],
    ids=range(18),
)
def test_a_file_that_cannot_be_taken_is_told(file: Path, content: str, told: str) -> None:
    file.write_text(content, "latin-1")
    code, stdout, stderr = hcsd("config", "check", str(file))
    assert (code, stderr) == (1, "")
    assert stdout.startswith(f"{file}:")
    assert told in stdout
    assert len(stdout.splitlines()) == 1
    code, _, stderr = hcsd("serve", "--config", str(file))
    assert code == 1
    assert stderr.startswith(f"hcsd: {stdout}")


def test_a_good_file_is_told_to_be_good(file: Path) -> None:
    for content, number in (
        ("", "0 settings"),
        ("\ufeffmax-calls = 2\r\n", "1 setting"),
        ('max_calls = 2\n"log-level" = "info"\n', "2 settings"),
        ('tls-cert = "a"\ntls-key = "b"\nlisten = ":7443"\n'.replace(":", "[::]:"), "3 settings"),
    ):
        file.write_text(content, "utf-8")
        assert hcsd("config", "check", str(file)) == (0, f"'{file}' is valid: {number}\n", "")


def test_a_file_that_others_can_change_is_refused(file: Path, tmp_path: Path) -> None:
    file.write_text("max-calls = 2\n")
    for bits in (0o664, 0o646):
        file.chmod(bits)
        code, stdout, _ = hcsd("config", "check", str(file))
        assert code == 1
        assert (
            f"others may change it, and so what the daemon does; keep them from that: chmod go-w '{file}'"
            in stdout
        )
    file.chmod(0o644)
    tmp_path.chmod(0o777)
    code, stdout, _ = hcsd("config", "check", str(file))
    assert code == 1
    assert f"others may replace files in '{tmp_path}'" in stdout
    tmp_path.chmod(0o1777)  # as /tmp
    assert hcsd("config", "check", str(file))[0] == 0
    for path in (tmp_path / "none", tmp_path):
        code, stdout, _ = hcsd("config", "check", str(path))
        assert code == 1
        assert stdout.startswith(f"{path}: ")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_user_is_refused(file: Path) -> None:
    file.write_text("max-calls = 2\n")
    os.chown(file, 65534, 65534)
    code, stdout, _ = hcsd("config", "check", str(file))
    assert code == 1
    assert "may change it" in stdout
    assert "use a copy that belongs to the user of the daemon, or to root" in stdout


def test_what_is_printed_is_a_whole_file(file: Path) -> None:
    code, printed, stderr = hcsd("serve", "--print-config")
    assert (code, stderr) == (0, "")
    file.write_text(printed, "utf-8")
    assert hcsd("config", "check", str(file))[1].endswith("is valid: 0 settings\n")
    entries = [line.removeprefix("# ") for line in printed.splitlines() if " = " in line]
    without_files = [line for line in entries if not line.endswith('"FILE"')]
    file.write_text("\n".join(without_files), "utf-8")
    number = len(without_files)
    assert hcsd("config", "check", str(file))[1].endswith(f"is valid: {number} settings\n")
    named = tomllib.loads("\n".join(entries))
    assert {setting.option for setting in OPTIONS.values()} < named.keys()
    assert {"listen", "token-file", "tls-cert", "log-level", "pass-env"} < named.keys()
    live = [line for line in printed.splitlines() if line.endswith("A change needs no restart.")]
    assert len(live) == sum(setting.live for setting in OPTIONS.values()) + len(LIVE)
    assert {"state-dir", "on-stop", "restore-window"} < named.keys()
    help_text = hcsd("serve", "--help")[1]
    assert all(f"--{key}" in help_text for key in named)


def test_what_is_printed_is_what_would_hold_and_says_who_said_it(file: Path) -> None:
    file.write_text(
        "# A comment.\nmax-processes = 7\nring-memory = 3\nlog-file = 'daemon.log'\nmax-exited = 2\n"
    )
    code, printed, stderr = hcsd(
        *("serve", "--config", str(file), "--max-processes", "5", "--stall-timeout", "1m30s"),
        "--print-config",
        HCSD_LISTEN="unix:///tmp/a unix:///tmp/b",
    )
    assert (code, stderr) == (0, "")
    assert [line for line in printed.splitlines() if line and not line.startswith("#")] == [
        'listen = ["unix:///tmp/a", "unix:///tmp/b"]  # from the variable HCSD_LISTEN',
        f"log-file = \"{file.parent}/daemon.log\"  # from '{file}', line 4",
        f"ring-memory = \"3m\"  # from '{file}', line 3",
        "max-processes = 5  # from the command line",
        f"max-exited = 2  # from '{file}', line 5",
        'stall-timeout = "90s"  # from the command line',
    ]
    again = file.with_name("again.toml")
    again.write_text(printed, "utf-8")
    assert hcsd("config", "check", str(again))[1].endswith("is valid: 6 settings\n")


@pytest.mark.parametrize(
    ("words", "state_dir"),
    [
        ((), "/run/nobody/hcsd/hcsd.state"),
        (
            ("--listen", "[::1]:0", "--listen", "unix:/a/b.sock", "--listen", "unix:/c"),
            "/a/b.state",
        ),
        (("--listen", "unix:///a/b.c"), "/a/b.c.state"),
        (("--listen", "127.0.0.1:0"), "DIR"),
    ],
    ids=["default", "first", "other", "none"],
)
def test_the_state_is_beside_the_first_socket(words: tuple[str, ...], state_dir: str) -> None:
    variables = {"XDG_RUNTIME_DIR": "/run/nobody"}
    code, printed, _ = hcsd("serve", *words, "--print-config", **variables)
    assert code == 0
    assert f'# state-dir = "{state_dir}"' in printed.splitlines()


def test_what_a_restart_does_is_printed(file: Path) -> None:
    file.write_text("restore-window = 0\nstate-dir = 'state'\n")
    words = ("--restore-window", "90m", "--on-stop", "keep", "--print-config")
    code, printed, stderr = hcsd("serve", "--config", str(file), *words)
    assert (code, stderr) == (0, "")
    assert [line for line in printed.splitlines() if line and not line.startswith("#")] == [
        f"state-dir = \"{file.parent}/state\"  # from '{file}', line 2",
        'on-stop = "keep"  # from the command line',
        'restore-window = "90m"  # from the command line',
    ]
    code, _, stderr = hcsd("serve", "--config", str(file), "--print-config")
    assert (code, stderr) == (
        1,
        f"hcsd: {file}:2: state-dir: needs --restore-window, which is 0; leave out one of them\n",
    )


def test_a_relative_path_begins_in_the_folder_of_the_file(file: Path) -> None:
    file.write_text('log-file = "daemon.log"\n')
    with serving("--config", str(file)):
        assert (file.parent / "daemon.log").is_file()


def test_what_does_not_fit_together_is_told_before_anything_starts(file: Path) -> None:
    file.write_text('# A comment.\ntls-cert = "a.pem"\n')
    code, _, stderr = hcsd("serve", "--config", str(file))
    assert (code, stderr) == (1, f"hcsd: {file}:2: tls-cert: needs --tls-key, too\n")
    code, _, stderr = hcsd("serve", "--config", str(file), "--tls-key", "b.pem")
    assert code == 1
    assert "is for TCP" in stderr
    tcp = ("--listen", "127.0.0.1:0")
    code, _, _ = hcsd("serve", "--config", str(file), "--tls-key", "b", *tcp, "--print-config")
    assert code == 0
