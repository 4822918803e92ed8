"""A place for daemons that are killed and started again."""

from collections.abc import AsyncIterator, Iterator

import pytest

from hcsd_client import Client
from tests.support.chaos import PATIENT
from tests.support.restarts import KNOWS_RESTORE, Place, place


@pytest.fixture(scope="package", autouse=True)
async def one_loop(anyio_backend: object) -> AsyncIterator[None]:
    """One event loop for all tests here; see tests/integration/conftest.py."""
    yield  # noqa: PT022  (the loop lives as long as the fixture)


@pytest.fixture
def here() -> Iterator[Place]:
    with place() as made:
        yield made


@pytest.fixture
async def client(here: Place) -> AsyncIterator[Client]:
    """A client that outlasts every daemon here."""
    async with Client(here.address, retry=PATIENT) as client:
        yield client


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what is about restoring where the daemon cannot do that."""
    if not KNOWS_RESTORE:
        skip = pytest.mark.skip(reason="this daemon has no --state-dir")
        for item in items:
            if (
                "restore" in item.path.parts
                and item.get_closest_marker("needs_restore") is not None
            ):
                item.add_marker(skip)
