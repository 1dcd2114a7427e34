"""The SDK's own worker loop in a process of its own, and its own client, against the platform."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from loopback import ENDPOINT, Platform, Rules, WorkerDied, WorkerProcess
from tests.loopback.http_worker import HttpWorker

pytestmark = pytest.mark.loop

HANDLERS = Path(__file__).parent / "handlers.py"

Start = Callable[..., WorkerProcess]


def until(condition: Callable[[], object], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def said(worker: WorkerProcess, job_id: str, words: str) -> bool:
    """Whether the SDK logged these words about a job."""
    return f'"requestId": "{job_id}", "message": "{words}"' in worker.log()


def start_worker(platform: Platform, folder: Path, *flags: str, pod: str = "one") -> WorkerProcess:
    environment = platform.environment(pod, HOME=str(folder))
    command = [sys.executable, str(HANDLERS), *flags]
    return WorkerProcess(folder, environment, folder / f"{pod}.log", command)


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with Platform() as platform:
        yield platform


@pytest.fixture(scope="module")
def worker(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerProcess]:
    with start_worker(platform, tmp_path_factory.mktemp("worker"), "--concurrency") as worker:
        yield worker


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts workers against a platform of the test's own; they go with the test."""
    started: list[WorkerProcess] = []

    def start(*flags: str, on: Platform, pod: str = "one") -> WorkerProcess:
        started.append(start_worker(on, tmp_path, *flags, pod=pod))
        return started[-1]

    yield start
    for worker in started:
        worker.kill()


def test_a_handler_gets_the_job_as_it_was_handed_out(
    platform: Platform, worker: WorkerProcess
) -> None:
    bucket = {"bucketName": "b"}
    job = worker.wait_for(platform.submit({"do": "echo"}, s3Config=bucket))

    assert job.output == {"id": job.id, "input": {"do": "echo"}, "s3Config": bucket}
    assert job.received[0].request_id == job.id
    assert job.pod == "one"


def test_what_waits_is_taken_in_batches(platform: Platform, worker: WorkerProcess) -> None:
    jobs = [platform.submit({"do": "sleep", "seconds": 0.5}) for _ in range(8)]
    for job in jobs:
        worker.wait_for(job)

    assert {job.output for job in jobs} == {"slept"}
    assert worker.log().count("Started.") >= len(jobs)


ENDS: list[tuple[dict[str, Any], str, Any, str]] = [
    ({"do": "say_error", "error": "no"}, "FAILED", {"detail": 1}, "no"),
    ({"do": "say_error", "error": {"code": 5}}, "COMPLETED", None, ""),
    ({"do": "fail"}, "FAILED", None, "out of ideas"),
    ({"do": "big", "bytes": 11_000_000}, "COMPLETED", None, ""),
]


@pytest.mark.parametrize(("asked", "status", "output", "words"), ENDS)
def test_jobs_end_as_they_would_on_the_platform(
    platform: Platform,
    worker: WorkerProcess,
    asked: dict[str, Any],
    status: str,
    output: Any,
    words: str,
) -> None:
    job = worker.wait_for(platform.submit(asked))

    assert (job.status, job.output) == (status, output)
    assert words in (job.error or "")
    assert len(job.received) == 1


def test_a_result_that_is_too_large_for_run_is_not_for_runsync(
    platform: Platform, worker: WorkerProcess
) -> None:
    job = worker.wait_for(platform.submit({"do": "big", "bytes": 11_000_000}, sync=True))

    assert len(job.output) == 11_000_000


def test_a_result_is_posted_again_after_a_500(platform: Platform, worker: WorkerProcess) -> None:
    platform.faults.failing_results = 1
    job = worker.wait_for(platform.submit({"do": "echo"}))

    assert [item.status for item in job.received] == [500, 200]


def test_an_update_of_the_sdk_arrives_before_the_result_or_flips_the_job(
    platform: Platform, worker: WorkerProcess
) -> None:
    early = worker.wait_for(platform.submit({"do": "update", "seconds": 0.5}))
    platform.faults.slow_progress = 1
    late = worker.wait_for(platform.submit({"do": "update"}))
    until(late.after_result)
    platform.faults.slow_progress = 0

    assert [item.kind for item in early.received] == ["progress", "result"]
    assert early.status == "COMPLETED"
    assert [item.kind for item in late.received] == ["result", "progress"]
    assert (late.status, late.flipped) == ("IN_PROGRESS", True)


def test_a_cancelled_job_is_stopped_and_nothing_is_posted_for_it(
    platform: Platform, worker: WorkerProcess
) -> None:
    long = platform.submit({"do": "sleep", "seconds": 60})
    # The SDK drops a stop for a job that it was handed and has not begun.
    until(lambda: said(worker, long.id, "Started."))
    platform.cancel(long)
    until(lambda: said(worker, long.id, "Job stopped."))

    assert (long.status, long.received) == ("CANCELLED", [])
    assert worker.wait_for(platform.submit({"do": "echo"})).status == "COMPLETED"


def test_a_job_past_its_policy_is_stopped(platform: Platform, worker: WorkerProcess) -> None:
    asked = {"do": "sleep", "seconds": 60}
    job = worker.wait_for(platform.submit(asked, policy={"executionTimeout": 1500}))
    until(lambda: said(worker, job.id, "Job stopped."))

    assert (job.status, job.received) == ("TIMED_OUT", [])


def test_the_heartbeat_names_the_jobs_at_work(platform: Platform, worker: WorkerProcess) -> None:
    job = platform.submit({"do": "sleep", "seconds": 3})
    until(lambda: platform.pod("one").pinged_jobs == (job.id,))
    worker.wait_for(job)
    until(lambda: platform.pod("one").pinged_jobs == ())

    assert platform.pod("one").pings >= 2


def test_the_official_client_runs_jobs(
    platform: Platform, worker: WorkerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    import runpod

    monkeypatch.setattr(runpod, "endpoint_url_base", platform.base_url)
    endpoint = runpod.Endpoint(ENDPOINT, api_key="k")
    job = endpoint.run({"do": "echo"})
    output = job.output(timeout=20)
    long = endpoint.run({"input": {"do": "sleep", "seconds": 60}, "policy": {"ttl": 50_000}})

    assert output["input"] == {"do": "echo"}
    assert job.status() == "COMPLETED"
    assert endpoint.run_sync({"do": "echo"})["id"].startswith("sync-")
    assert endpoint.run_sync({"do": "fail"}) is None  # the client swallows the error
    until(lambda: said(worker, long.job_id, "Started."))
    assert long.status() == "IN_PROGRESS"
    assert long.cancel() == {"id": long.job_id, "status": "CANCELLED"}
    assert long.status() == "CANCELLED"
    assert endpoint.health()["jobs"]["completed"] >= 2
    assert endpoint.health()["workers"] == {"idle": 1, "running": 0}
    assert endpoint.purge_queue() == {"removed": 0, "status": "completed"}
    assert worker.is_running


def test_a_stream_reaches_the_official_client(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    import runpod

    with Platform() as platform:
        start("--stream", on=platform)
        monkeypatch.setattr(runpod, "endpoint_url_base", platform.base_url)
        job = runpod.Endpoint(ENDPOINT, api_key="k").run({"chunks": ["a", {"b": 1}]})

        assert list(job.stream()) == ["a", {"b": 1}]
        assert platform.jobs[job.job_id].output == []


def test_a_job_whose_worker_was_killed_is_done_by_the_next(start: Start) -> None:
    with Platform(Rules(lost_after=4)) as platform:
        workers = {pod: start(on=platform, pod=pod) for pod in ("one", "two")}
        job = platform.submit({"do": "hang_once"})
        until(lambda: job.pod and said(workers[job.pod], job.id, "Started."), 20)
        first = workers.pop(str(job.pod))
        (other,) = workers
        platform.wait_for_worker(other)
        deliveries = job.deliveries
        first.kill()
        workers[other].wait_for(job, 20)

    assert deliveries == 1
    assert (job.deliveries, job.pod, job.output) == (2, other, "done")
    assert first.exit_code == -signal.SIGKILL
    assert first.group() == []


def test_a_job_handed_out_as_the_worker_is_told_to_end_is_lost_until_it_is_handed_out_again(
    start: Start,
) -> None:
    with Platform(Rules(poll=1.5)) as platform:
        first = start(on=platform)
        platform.wait_for_worker("one")
        first.signal(signal.SIGTERM)
        time.sleep(0.3)  # the signal must be there first
        job = platform.submit({"do": "echo"})

        assert first.wait() == 0
        assert "Jobs in queue: 1" in first.log()
        assert (job.status, job.received) == ("IN_PROGRESS", [])
        platform.worker_died("one")
        assert HttpWorker(platform, "two").take()["id"] == job.id


def test_a_worker_that_asks_to_be_replaced_is_handed_nothing_more(start: Start) -> None:
    with Platform() as platform:
        worker = start(on=platform)
        job = worker.wait_for(platform.submit({"do": "refresh"}))
        platform.wait_for_worker("one")
        after = platform.submit({"do": "echo"})
        time.sleep(2 * platform.rules.poll)

        assert job.output == {"a": 1}
        assert platform.pod("one").stopped.is_set()
        assert after.status == "IN_QUEUE"


def test_a_worker_that_is_not_fit_says_so_and_dies(start: Start) -> None:
    with Platform() as platform:
        worker = start("--unfit", on=platform)
        job = platform.submit({"do": "echo"})
        with pytest.raises(WorkerDied, match="no GPU today"):
            worker.wait_for(job)

        assert worker.wait() == 1
        assert platform.pod("one").unhealthy == [("never_fit", "RuntimeError: no GPU today")]
        with pytest.raises(WorkerDied):
            worker.vitals()


def test_vitals_count_what_a_worker_holds_and_killing_it_leaves_nothing(start: Start) -> None:
    with Platform() as platform:
        worker = start(on=platform)
        platform.wait_for_worker("one")
        before = worker.vitals()
        job = worker.wait_for(platform.submit({"do": "leak"}))
        until(lambda: worker.vitals().zombies == 1)
        after = worker.vitals()
        children = [child.pid for child in worker.children()]
        worker.kill()

    assert job.output == worker.pid
    assert (before.children, before.zombies) == (1, 0)  # the heartbeat
    assert (after.children, after.zombies) == (2, 1)
    assert before.rss_bytes > 10_000_000
    assert before.threads >= 1
    assert before.open_files > 3
    assert len(children) == 3
    assert worker.group() == []
    assert worker.children() == []
    assert not any(_runs(pid) for pid in children)
    assert worker.kill() == -signal.SIGKILL  # again does no harm


def test_the_end_of_the_block_takes_what_the_worker_left_behind(tmp_path: Path) -> None:
    with Platform() as platform, start_worker(platform, tmp_path) as worker:
        worker.wait_for(platform.submit({"do": "echo"}))
        leaving = [child.pid for child in worker.children()]
        os.kill(worker.pid, signal.SIGKILL)  # the heartbeat outlives that
        worker.wait()
        orphans = worker.group()

    assert orphans == leaving
    assert worker.group() == []


def _runs(pid: int) -> bool:
    return any(process.pid == pid for process in psutil.process_iter() if not _ended(process))


def _ended(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
