"""What the daemon's log shows, and where it goes."""

import itertools
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hcsd import logs
from hcsd.logs import repeats, sinks, writer
from tests.support.census import until

logger = logging.getLogger("test")


@pytest.fixture(autouse=True)
def root() -> Iterator[None]:
    """The root logger as it was."""
    before = logging.getLogger()
    handlers, level = before.handlers[:], before.level
    yield
    before.handlers[:] = handlers
    before.setLevel(level)


@contextmanager
def logging_to(path: Path, log_format: logs.Format = "text") -> Iterator[None]:
    """A log in a file, which has all lines when the block is left."""
    with logs.standard_error() as errors, logs.logging_to(errors, "info", log_format, path):
        yield


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_the_origin_of_an_error_shows_no_values(tmp_path: Path, log_format: logs.Format) -> None:
    def fail(text: str) -> None:
        raise ValueError(len(text))

    path = tmp_path / "log"
    text = "a-secret"
    with logging_to(path, log_format):
        try:
            fail(text)
        except ValueError:
            logger.exception("failed")
    written = path.read_text()
    assert "ValueError: 8" in written
    assert "in fail" in written
    assert "secret" not in written


def test_a_log_file_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("before\n")
    with logging_to(path):
        logger.info("now")
    assert path.read_text().startswith("before\n")
    assert "now" in path.read_text()


def test_a_log_file_is_private(tmp_path: Path) -> None:
    path = tmp_path / "log"
    before = os.umask(0)
    try:
        with logging_to(path):
            logger.info("one")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600


def test_log_files_have_a_bounded_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the one that a symbolic link names is the one that is renamed."""
    monkeypatch.setattr(sinks, "FILE_BYTES", 1000)
    link, path = tmp_path / "link", tmp_path / "log"
    link.symlink_to(path)
    sink = sinks.FileSink(link)
    for number in range(100):
        assert sink.write(f"line {number}\n" + "x" * 90 + "\n")
        assert path.stat().st_size <= 1000
    assert link.is_symlink()
    old = tmp_path / "log.1"
    assert old.stat().st_size <= 1000
    assert old.stat().st_mode & 0o777 == 0o600
    assert sorted(tmp_path.iterdir()) == [link, path, old]
    assert "line 99" in path.read_text()


def test_a_full_log_file_that_cannot_be_renamed_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sinks, "FILE_BYTES", 100)
    path = tmp_path / "log"
    (tmp_path / "log.1").mkdir()
    sink = sinks.FileSink(path)
    assert sink.write("a" * 80)
    assert sink.write("b" * 80)
    assert path.read_text() == "b" * 80


def test_a_renamed_log_file_is_opened_again(tmp_path: Path) -> None:
    path, old = tmp_path / "log", tmp_path / "old"
    sink = sinks.FileSink(path)
    sink.write("one\n")
    path.rename(old)
    sink.write("two\n")
    sink.reopen()
    sink.write("three\n")
    assert (old.read_text(), path.read_text()) == ("one\ntwo\n", "three\n")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_as_log_file_waits_for_its_readers(tmp_path: Path) -> None:
    path = tmp_path / "log"
    os.mkfifo(path)
    sink = sinks.FileSink(path)
    assert not sink.write("nobody reads\n")
    for text in ("the first reader\n", "the second reader\n"):
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        assert sink.write(text)
        assert os.read(reader, 1000) == text.encode()
        os.close(reader)
        assert not sink.write("nobody reads any more\n")
    assert not (tmp_path / "log.1").exists()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is full")
def test_a_log_file_that_cannot_be_written_is_said_once() -> None:
    script = (
        "import logging, pathlib; from hcsd import logs\n"
        "with logs.standard_error() as errors:\n"
        "    with logs.logging_to(errors, 'info', 'text', pathlib.Path('/dev/full')):\n"
        "        logging.info('one'); logging.info('two')\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], stderr=subprocess.PIPE, text=True, check=False
    )
    assert result.stderr == (
        "hcsd: cannot write the log file '/dev/full': No space left on device;"
        " what it lacks is lost\n"
    )


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_text_of_others_makes_a_line_of_its_own(tmp_path: Path, log_format: logs.Format) -> None:
    path = tmp_path / "log"
    text = "x\n2026-01-01T00:00:00Z [info] forged \x1b[31m\x9b\u202e\r"
    with logging_to(path, log_format):
        logger.warning("a client says %s", text)
        logger.error("failed", exc_info=ValueError(text))
    written = path.read_text()
    assert written.replace("\n", "").isprintable()
    assert not any(line.startswith("2026-01-01") for line in written.splitlines())
    if log_format == "json":
        first, second = map(json.loads, written.splitlines())
        assert first["event"] == f"a client says {text}"
        assert text in second["exception"]


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_lines_have_a_bounded_length(tmp_path: Path, log_format: logs.Format) -> None:
    path = tmp_path / "log"
    with logging_to(path, log_format):
        logger.warning("a client says %s", "x" * 1_000_000)
        logger.error("failed", exc_info=ValueError("y" * 1_000_000))
    assert path.stat().st_size < 30_000
    assert "ValueError: yyy" in path.read_text()
    assert "failed" in path.read_text()


def test_what_repeats_is_written_some_times_and_then_counted(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with logging_to(path):
        for number in range(1000):
            logger.warning("a client did %s", number)
            logging.getLogger("other").warning("a client did %s", "this")
        logger.warning("something else")
    lines = path.read_text().splitlines()
    assert len(lines) == 2 * (repeats.MOST + 1) + 1
    assert "990 more lines like this one were left out: a client did 999" in path.read_text()
    assert "something else" in path.read_text()


def test_a_new_interval_begins_with_what_the_last_one_left_out() -> None:
    seconds = itertools.chain([0.0] * 12, itertools.repeat(repeats.INTERVAL))
    counted = repeats.Repeats(lambda: next(seconds))
    admitted: list[str] = []
    for number in range(14):
        record = logging.LogRecord("a", logging.INFO, "", 0, "did %d", (number,), None)
        admitted += [record.getMessage() for record in counted.admitted(record)]
    assert admitted == [
        *(f"did {number}" for number in range(10)),
        "2 more lines like this one were left out: did 11",
        "did 12",
        "did 13",
    ]
    assert list(counted.left_out(ends=True)) == []


def test_messages_that_never_repeat_are_bounded_too() -> None:
    """A logger may put into its message what a client chose."""
    counted = repeats.Repeats()
    written = sum(
        len(list(counted.admitted(logging.LogRecord("a", 20, "", 0, f"did {number}", (), None))))
        for number in range(10_000)
    )
    assert written <= repeats.KINDS + repeats.MOST


class Gate:
    """A sink that takes nothing until it is opened."""

    def __init__(self) -> None:
        self.waits, self.open = threading.Event(), threading.Event()
        self.text = ""

    def write(self, text: str) -> bool:
        self.waits.set()
        self.open.wait()
        self.text += text
        return True


def test_lines_without_room_are_dropped_and_counted() -> None:
    gate = Gate()
    lines = writer.Writer(gate, "test")
    lines.put("first\n")
    assert gate.waits.wait(30)
    line = "x" * 9_999 + "\n"
    for _ in range(200):
        lines.put(line)
    gate.open.set()
    told = "hcsd: 102 lines are missing here: they could not be written\n"
    until(lambda: gate.text.endswith(told), "the thread has told what is missing")
    lines.put("last\n")
    assert lines.close()
    assert gate.text == "first\n" + line * 98 + told + "last\n"


def test_the_end_does_not_wait_for_a_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "PATIENCE", 0.01)
    gate = Gate()
    lines = writer.Writer(gate, "test")
    lines.put("never read\n")
    assert not lines.close()
    gate.open.set()


def test_who_prints_on_stderr_comes_between_the_lines_of_the_log(
    capfd: pytest.CaptureFixture[str],
) -> None:
    script = (
        "import logging, sys; from hcsd import logs\n"
        "with logs.standard_error() as errors, logs.logging_to(errors, 'info', 'text'):\n"
        "    logging.info('one')\n"
        "    print('two\\x1b', 'three', file=sys.stderr)\n"
        "    logging.info('four')\n"
        "print('five', file=sys.stderr)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    one, two, four, five = capfd.readouterr().err.splitlines()
    assert "one" in one
    assert two == "two\\x1b three"
    assert "four" in four
    assert five == "five"
