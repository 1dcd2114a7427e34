"""A device that runs out of memory, breaks, or hangs; the SDK's real loop around it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from loopback import Platform, Status, WorkerProcess
from tests.loop.starting import until

pytestmark = pytest.mark.loop


@pytest.fixture
def platform() -> Iterator[Platform]:
    with Platform() as platform:
        yield platform


@pytest.fixture
def worker(platform: Platform, root: Path, tmp_path: Path) -> Iterator[WorkerProcess]:
    environment = platform.environment(
        HOME=str(tmp_path), STATE_DIR=str(tmp_path / "state"), JOB_TIMEOUT="5"
    )
    command = (sys.executable, "-m", "tests.loop.broken")
    with WorkerProcess(root, environment, tmp_path / "log", command) as worker:
        yield worker


def test_after_running_out_of_memory_the_next_job_is_done(
    platform: Platform, worker: WorkerProcess
) -> None:
    failed = worker.wait_for(platform.submit({"prompt": "out of memory"}))
    done = worker.wait_for(platform.submit({"prompt": "a fox"}))

    assert failed.error == "Ask for less."
    assert done.status == Status.COMPLETED
    assert not platform.pod().stopped.is_set()


@pytest.mark.parametrize(("prompt", "code"), [("broken", 0), ("hang", 1)])
def test_a_device_that_computes_no_more_has_the_worker_replaced(
    platform: Platform, worker: WorkerProcess, prompt: str, code: int
) -> None:
    job = worker.wait_for(platform.submit({"prompt": prompt}))
    later = platform.submit({"prompt": "a fox"})

    assert worker.wait(30) == code
    assert job.status == Status.FAILED
    assert "CUDA" not in str(job.error)
    assert job.arrivals("result")[-1].body["stopPod"] is True
    assert platform.pod().stopped.is_set()
    assert later.deliveries == 0
    until(lambda: worker.group() == [])
