"""The door in the SDK's real loop: a process of its own against a platform on loopback."""

import signal
import time

import pytest

from loopback import Platform, WorkerProcess
from loopback.jobs import Job, Status
from tests.loop.starting import until

from .conftest import Start

pytestmark = pytest.mark.loop

#: Seconds within which a worker that has nothing to do must be gone.
GONE = 5.0


def seconds_to_end(worker: WorkerProcess) -> float:
    started = time.monotonic()
    assert worker.wait(60) == 0, worker.log()
    return time.monotonic() - started


def begun(platform: Platform, seconds: float, **more: object) -> Job:
    """A job that a worker has."""
    job = platform.submit({"seconds": seconds, **more})
    assert job.started.wait(30)
    time.sleep(0.3)  # taken, and begun as well
    return job


@pytest.mark.parametrize("concurrency", [1, 2, 3])
def test_as_many_jobs_are_at_work_as_there_may_be_and_never_more(
    platform: Platform, start: Start, concurrency: int
) -> None:
    jobs = [platform.submit({"seconds": 0.3}) for _ in range(7)]
    worker = start(concurrency=concurrency, ready=False)
    seen = [worker.wait_for(job).output["at_once"] for job in jobs]
    assert max(seen) == concurrency
    assert {job.deliveries for job in jobs} == {1}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_worker_is_gone_soon_although_its_polls_are_long(
    start: Start, number: signal.Signals
) -> None:
    worker = start()
    worker.signal(number)
    assert seconds_to_end(worker) < GONE
    until(lambda: worker.group() == [])
    assert worker.log().count("told of the drain") == 1


@pytest.mark.parametrize("concurrency", [1, 2])
def test_a_job_at_work_is_delivered_and_none_taken_after_it(
    platform: Platform, start: Start, concurrency: int
) -> None:
    worker = start(concurrency=concurrency)
    job = begun(platform, 5)
    worker.signal(signal.SIGTERM)
    time.sleep(1.5)
    worker.signal(signal.SIGTERM)  # a second one changes nothing
    late = platform.submit({})
    seconds_to_end(worker)
    assert job.status == Status.COMPLETED
    assert late.status == Status.IN_QUEUE
    assert worker.log().count("told of the drain") == 1


@pytest.mark.parametrize("busy", [True, False])
@pytest.mark.parametrize("delay", [0, 0.3, 0.8, 1.2])
def test_a_job_that_comes_after_sigterm_is_done_or_left_to_others(
    platform: Platform, start: Start, busy: bool, delay: float
) -> None:
    worker = start(concurrency=2)
    first = begun(platform, 1) if busy else None
    worker.signal(signal.SIGTERM)
    time.sleep(delay)
    late = platform.submit({"seconds": 0.2})
    seconds_to_end(worker)
    assert late.status in (Status.COMPLETED, Status.IN_QUEUE)
    assert late.deliveries == (late.status == Status.COMPLETED)
    assert first is None or first.status == Status.COMPLETED


def test_a_job_can_be_cancelled_while_the_worker_leaves(platform: Platform, start: Start) -> None:
    worker = start()
    job = begun(platform, 300)
    worker.signal(signal.SIGTERM)
    time.sleep(1.5)
    assert worker.is_running
    platform.cancel(job)
    assert seconds_to_end(worker) < GONE
    assert job.received == []


def test_jobs_that_are_cancelled_as_soon_as_they_are_taken_are_stopped(
    platform: Platform, start: Start
) -> None:
    worker = start()
    for _ in range(8):
        job = platform.submit({"seconds": 300})
        assert job.started.wait(30)
        platform.cancel(job)
    worker.wait_for(platform.submit({}), 30)


def test_a_job_that_is_retried_under_its_id_waits_until_its_first_try_has_let_go(
    platform: Platform, start: Start
) -> None:
    start(concurrency=2)
    job = begun(platform, 2)
    # The platform's record is the second one's from here on.
    again = platform.submit({}, id=job.id)
    end = time.monotonic() + 20
    while len(again.arrivals("result")) < 2 and time.monotonic() < end:
        time.sleep(0.05)
    assert [item.body["output"]["at_once"] for item in again.arrivals("result")] == [1, 1]


def test_a_worker_that_asks_to_be_replaced_says_so_takes_no_more_and_ends(
    platform: Platform, start: Start
) -> None:
    worker = start(concurrency=2)
    job = worker.wait_for(platform.submit({"refresh": True}))
    late = platform.submit({})
    assert seconds_to_end(worker) < GONE
    assert job.arrivals("result")[0].body["stopPod"] is True
    assert late.status == Status.IN_QUEUE
    assert "told of the drain" not in worker.log()


@pytest.mark.parametrize("refresh", [True, False])
def test_a_thread_that_hangs_does_not_keep_the_worker(
    platform: Platform, start: Start, refresh: bool
) -> None:
    worker = start(patience=1)
    worker.wait_for(platform.submit({"hang": True, "refresh": refresh}))
    worker.signal(signal.SIGTERM)
    assert worker.wait(60) == 1
    until(lambda: worker.group() == [])  # nor does it go on telling that it is alive
    assert "ended by force" in worker.log()


def test_checks_run_before_the_first_job_and_say_how_long_they_took(start: Start) -> None:
    worker = start()
    assert "fitness check fine passed after 0.00 s" in worker.log()


def test_a_check_that_fails_ends_the_worker_and_the_platform_hears_why(
    platform: Platform, start: Start
) -> None:
    worker = start(bad=True, ready=False)
    assert worker.wait(30) == 1
    reason = "ServiceError: BUCKET_NAME is 'films', which is not there"
    assert platform.pod().unhealthy == [("bucket", reason)]
    line = next(line for line in worker.log().splitlines() if "check bucket failed" in line)
    assert line.endswith("BUCKET_NAME is 'films', which is not there")


@pytest.mark.parametrize("platform", [0.5], indirect=True)  # its own end waits for its polls
def test_an_sdk_that_is_not_as_expected_is_left_alone(platform: Platform, start: Start) -> None:
    worker = start(lacking="brand_new_thing", concurrency=2)
    job = worker.wait_for(platform.submit({"refresh": True}))
    assert worker.wait(60) == 0
    assert job.arrivals("result")[0].body["stopPod"] is True
    assert "missing: ['brand_new_thing']" in worker.log()


@pytest.mark.parametrize("when", ["before", "slow", "loading"])
def test_before_the_first_job_sigterm_ends_the_worker_at_once(start: Start, when: str) -> None:
    worker = start(**{when: 60}, ready=False)
    while "not open yet" not in worker.log():
        time.sleep(0.05)
    worker.signal(signal.SIGTERM)
    assert seconds_to_end(worker) < GONE
