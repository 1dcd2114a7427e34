"""A gateway over RunPod's platform on loopback, and a worker that takes its jobs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from loopback import ENDPOINT, Platform, Rules
from src.gateway.settings import GatewaySettings
from tests.gateway.fakes import Bucket, Gateway, QuickWorker

#: Serves one more gateway with these settings; all of a test share its database.
Serve = Callable[..., Gateway]


@pytest.fixture
def rules() -> Rules:
    """A test that needs others names its own fixture so, or parametrizes it."""
    return Rules(poll=0.2, tick=0.02)


@pytest.fixture
def platform(rules: Rules) -> Iterator[Platform]:
    with Platform(rules) as platform:
        yield platform


@pytest.fixture
def worker(platform: Platform) -> Iterator[QuickWorker]:
    """A worker whose answers hold the videos themselves."""
    with QuickWorker(platform) as worker:
        yield worker


@pytest.fixture
def bucket_worker(platform: Platform) -> Iterator[QuickWorker]:
    """A worker that puts videos where `worker.bucket` serves them, and answers with links."""
    with QuickWorker(platform, bucket=Bucket()) as worker:
        yield worker


@pytest.fixture
def serve(platform: Platform, tmp_path: Path) -> Iterator[Serve]:
    with ExitStack() as stack:

        def serve(**settings: Any) -> Gateway:
            own = {
                "endpoint": f"{platform.base_url}/{ENDPOINT}",
                "database_url": f"sqlite:///{tmp_path}/gateway.db",
                "watch_seconds": 0.5,
            }
            return stack.enter_context(Gateway(GatewaySettings(**{**own, **settings})))

        yield serve


@pytest.fixture
def gateway(request: pytest.FixtureRequest, serve: Serve) -> Gateway:
    """A gateway that passes callers' keys through.

    Other settings: `@pytest.mark.parametrize("gateway", [{"wait_seconds": 0}], indirect=True)`.
    """
    return serve(**getattr(request, "param", {}))


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway for a whole file, whose jobs nobody takes: for what is refused before that."""
    with pytest.MonkeyPatch.context() as patch, Platform(Rules(poll=0.2)) as platform:
        for name in [name for name in os.environ if name.startswith("GATEWAY_")]:
            patch.delenv(name)
        settings = GatewaySettings(
            endpoint=f"{platform.base_url}/{ENDPOINT}",
            database_url=f"sqlite:///{tmp_path_factory.mktemp('quiet')}/gateway.db",
            max_open=10_000,
            max_per_minute=10_000,
        )
        with Gateway(settings) as gateway:
            yield gateway
