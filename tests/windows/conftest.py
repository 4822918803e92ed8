"""Fixtures of the tests that run in the Windows Python; those of `from_linux` run on the other side.

Neither is collected without what `python -m tests.windows` has assembled.
"""

import os
import sys

if sys.platform != "win32":
    collect_ignore_glob = ["test_*.py"]
    collect_ignore = [] if "HCSD_WINE" in os.environ else ["from_linux"]
else:
    collect_ignore = ["from_linux"]
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pytest

    from tests.windows.clients import NUMBERS, Connect, connect_from, new_service
    from tests.windows.double_service import DoubleService
    from tests.windows.native import Native

    DOUBLE = Path(os.environ["HCSD_DOUBLE"])
    OLD_DOUBLE = Path(os.environ["HCSD_DOUBLE_OLD"])

    @pytest.fixture(scope="session")
    def loaded(record_testsuite_property: Callable[[str, object], None]) -> Iterator[Native]:
        """The double; what is still live when all is over is an error, and reported."""
        native = Native(DOUBLE)
        yield native
        live = native.live()
        for name, count in live.items():
            record_testsuite_property(f"double: live {name}", count)
        record_testsuite_property("double: repeated starts", native.repeated_starts())
        assert not any(live.values()), live

    @pytest.fixture
    def native(loaded: Native) -> Iterator[Native]:
        """The double without faults, in which nothing may be left when the test ends."""
        before = loaded.live()
        yield loaded
        loaded.reset()
        assert loaded.live() == before

    @pytest.fixture
    def service() -> Iterator[DoubleService]:
        """A service of the double that clients find by its name."""
        with new_service() as started:
            yield started

    @pytest.fixture
    def connect(service: DoubleService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Connect:
        """Make clients of it in this process."""
        for name, value in service.variable.items():
            monkeypatch.setenv(name, value)
        return lambda: connect_from(tmp_path / f"client-{next(NUMBERS)}")
