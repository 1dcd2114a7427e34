"""A platform for each test, with short polls."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from loopback import Platform, Rules
from tests.loopback.http_worker import HttpWorker


@pytest.fixture
def rules() -> Rules:
    """A test that needs others names its own fixture so, or parametrizes it."""
    return Rules(poll=0.1, tick=0.02)


@pytest.fixture
def platform(rules: Rules) -> Iterator[Platform]:
    with Platform(rules) as platform:
        yield platform


@pytest.fixture
def worker(platform: Platform) -> HttpWorker:
    return HttpWorker(platform)
