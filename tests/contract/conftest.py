"""What every engine promises. The children of a POSIX host have promises of their own."""

import os
import sys

collect_ignore: list[str] = []

if sys.platform == "win32":
    collect_ignore = ["test_posix_child.py", "test_posix_start.py"]
    CONTAINER, DOUBLE = os.environ.get("HCSD_CONTRACT_SYSTEM"), os.environ.get("HCSD_DOUBLE")
    if CONTAINER and DOUBLE:
        import json
        from collections.abc import Iterator
        from pathlib import Path

        import pytest

        from tests.windows.native import Events, Native

        @pytest.fixture(scope="session", autouse=True)
        def container() -> Iterator[None]:
            """The container that a real host has: if it is not there, the double makes it."""
            native, ended = Native(Path(DOUBLE)), Events()
            result, found = native.open_system(CONTAINER)
            if result == 0:
                native.call("HcsCloseComputeSystem", found)
                yield
                return
            version = {"Major": 2, "Minor": 1}
            made, error = native.create_system(
                CONTAINER, json.dumps({"SchemaVersion": version, "Container": {}})
            )
            assert error is None
            native.listen_to_system(made, ended)
            native.on_system("HcsStartComputeSystem", made)
            yield
            native.on_system("HcsTerminateComputeSystem", made)
            ended.next()
            native.call("HcsCloseComputeSystem", made)
