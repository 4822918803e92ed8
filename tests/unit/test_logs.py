"""What the daemon's log shows, and where it goes."""

import logging
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
