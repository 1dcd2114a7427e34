"""A platform whose polls stay open long, and workers with nothing behind their door."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from loopback import Platform, Rules, WorkerProcess

#: Starts a worker with these options for `serve`.
Start = Callable[..., WorkerProcess]


@pytest.fixture
def platform(request: pytest.FixtureRequest) -> Iterator[Platform]:
    with Platform(Rules(poll=getattr(request, "param", 30))) as platform:
        yield platform


@pytest.fixture
def start(platform: Platform, root: Path, tmp_path: Path) -> Iterator[Start]:
    """Start a worker; its first poll is open unless `ready` is False."""
    with ExitStack() as stack:

        def start(*, ready: bool = True, **options: Any) -> WorkerProcess:
            worker = WorkerProcess(
                tmp_path,
                platform.environment(**environment(root), DOOR=json.dumps(options)),
                tmp_path / "worker.log",
                (sys.executable, str(root / "tests/door/worker.py")),
            )
            stack.enter_context(worker)
            if ready:
                platform.wait_for_worker()
            return worker

        yield start


def environment(root: Path) -> dict[str, str]:
    """What a worker needs that runs elsewhere than in the repository."""
    # The SDK would take a key from a file in the home of whoever runs the tests.
    return {"PYTHONPATH": str(root), "HOME": os.devnull}
