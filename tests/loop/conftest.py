"""Workers as the platform runs them: handler.py, the SDK's real loop, real pipelines."""

from __future__ import annotations

from pathlib import Path

import pytest

from loopback import Platform, WorkerProcess
from tests.loop.starting import Start
from tests.s3.fixtures import bucket, swift, swift_client  # noqa: F401


@pytest.fixture(scope="session")
def start(root: Path, tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Start:
    def _start(platform: Platform, *, pod: str = "testpod", **settings: str) -> WorkerProcess:
        folder = tmp_path_factory.mktemp("worker")
        own = {
            "MODELS_DIR": str(tiny_models),
            "STATE_DIR": str(folder / "state"),
            "HOME": str(folder),
            "OMP_NUM_THREADS": "1",
        }
        if "BUCKET_NAME" not in settings:
            own["OUTPUT_DIR"] = str(folder / "out")
        return WorkerProcess(
            root, platform.environment(pod=pod, **(own | settings)), folder / "log"
        )

    return _start
