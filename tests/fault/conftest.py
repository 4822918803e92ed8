"""Engines over a scripted provider, in both ways in which a provider may be called."""

from collections.abc import Iterator

import pytest

from tests.support.scripted import ScriptedProvider


def used(provider: ScriptedProvider) -> Iterator[ScriptedProvider]:
    yield provider
    assert provider.misuse == []
    assert {name: count for name, count in provider.live().items() if count} == {}


@pytest.fixture(params=[False, True], ids=["on the loop", "in lanes"])
def scripted(request: pytest.FixtureRequest, census: None) -> Iterator[ScriptedProvider]:
    """A provider that nothing may be left of, whether its calls may block or not."""
    yield from used(ScriptedProvider(blocking=request.param))


@pytest.fixture
def direct(census: None) -> Iterator[ScriptedProvider]:
    """One whose calls are made on the loop."""
    yield from used(ScriptedProvider())


@pytest.fixture
def blocking(census: None) -> Iterator[ScriptedProvider]:
    """One whose calls may block."""
    yield from used(ScriptedProvider(blocking=True))
