"""What the code under test has logged."""

import logging

import pytest

OURS = {"hcsd", "hcsd_client"}


def ours(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """The records of our own loggers: others, such as asyncio's, may say of a busy machine what they like."""
    return [record for record in caplog.records if record.name.partition(".")[0] in OURS]
