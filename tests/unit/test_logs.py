"""What the daemon's log shows, and where it goes."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hcsd import logs


@pytest.fixture(autouse=True)
def root() -> Iterator[None]:
    """The root logger as it was."""
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    yield
    for handler in set(logger.handlers) - set(handlers):
        handler.close()
    logger.handlers[:] = handlers
    logger.setLevel(level)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_the_origin_of_an_error_shows_no_values(tmp_path: Path, log_format: logs.Format) -> None:
    def fail(text: str) -> None:
        raise ValueError(len(text))

    path = tmp_path / "log"
    logs.configure("info", log_format, path)
    text = "a-secret"
    try:
        fail(text)
    except ValueError:
        logging.getLogger("test").exception("failed")
    written = path.read_text()
    assert "ValueError: 8" in written
    assert "in fail" in written
    assert "secret" not in written


def test_a_log_file_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("before\n")
    logs.configure("info", "text", path)
    logging.getLogger("test").info("now")
    assert path.read_text().startswith("before\n")
    assert "now" in path.read_text()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is full")
def test_a_log_file_that_cannot_be_written_is_said_once() -> None:
    script = (
        "import logging, pathlib; from hcsd.logs import configure;"
        "configure('info', 'text', pathlib.Path('/dev/full'));"
        "logging.info('one'); logging.info('two')"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], stderr=subprocess.PIPE, text=True, check=False
    )
    assert result.stderr == (
        "hcsd: cannot write the log file '/dev/full': No space left on device;"
        " what it lacks is lost\n"
    )
