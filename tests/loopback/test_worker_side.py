"""What the platform does with what a worker posts, request by request."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
import requests

from loopback import ENDPOINT, POD, Job, Platform, Rules
from tests.loopback.http_worker import HttpWorker

SMALL_RULES = Rules(poll=0.1, tick=0.02, run_bytes=1000, runsync_bytes=2000, chunk_bytes=500)


def taken(platform: Platform, worker: HttpWorker, **how: Any) -> Job:
    job = platform.submit({"a": 1}, **how)
    assert worker.take()["id"] == job.id
    return job


def until(condition: Any, seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_worker_is_handed_what_the_caller_sent_and_no_more(
    platform: Platform, worker: HttpWorker
) -> None:
    bucket = {"bucketName": "b"}
    job = platform.submit(
        {"a": 1}, webhook="http://127.0.0.1:9/", s3Config=bucket, policy={"ttl": 90_000}
    )

    assert worker.take() == {
        "id": job.id,
        "input": {"a": 1},
        "webhook": "http://127.0.0.1:9/",
        "s3Config": bucket,
    }
    assert (job.status, job.pod, job.deliveries) == ("IN_PROGRESS", POD, 1)


def test_a_poll_with_nothing_to_say_stays_open_for_as_long_as_the_rules_say(
    platform: Platform, worker: HttpWorker
) -> None:
    started = time.monotonic()

    assert worker.take() is None
    assert worker.take_batch(2) is None
    assert worker.stops() == []
    assert time.monotonic() - started >= 3 * platform.rules.poll


@pytest.mark.parametrize("rules", [Rules(poll=30)])
def test_a_poll_that_is_open_is_answered_as_soon_as_there_is_a_job(
    platform: Platform, worker: HttpWorker
) -> None:
    answers: list[Any] = []
    poll = threading.Thread(target=lambda: answers.append(worker.take()))
    poll.start()
    platform.wait_for_worker()
    job = platform.submit("x")
    poll.join(10)

    assert [answer["id"] for answer in answers] == [job.id]


@pytest.mark.parametrize("rules", [Rules(poll=30)])
def test_a_job_is_not_handed_to_a_worker_that_has_hung_up(
    platform: Platform, worker: HttpWorker
) -> None:
    url = f"{platform.base_url}/{ENDPOINT}/job-take/gone"
    with pytest.raises(requests.ReadTimeout):
        requests.get(url, headers={"Authorization": "k"}, timeout=0.3)
    job = platform.submit("x")

    assert worker.take()["id"] == job.id
    assert job.deliveries == 1


def test_a_batch_is_what_waits_up_to_the_size_asked_for(
    platform: Platform, worker: HttpWorker
) -> None:
    jobs = [platform.submit(n) for n in range(3)]

    assert [item["id"] for item in worker.take_batch(2)] == [job.id for job in jobs[:2]]
    assert [item["id"] for item in worker.take_batch(2)] == [jobs[2].id]


RESULTS: list[tuple[dict[str, Any], str, Any, str | None]] = [
    ({"output": {"ok": True}}, "COMPLETED", {"ok": True}, None),
    ({}, "COMPLETED", None, None),
    ({"error": "no"}, "FAILED", None, "no"),
    ({"error": "no", "output": {"b": 1}}, "FAILED", {"b": 1}, "no"),
    ({"error": {"code": 5}, "output": {"b": 1}}, "COMPLETED", None, None),
    ({"error": ["no"]}, "COMPLETED", None, None),
]


@pytest.mark.parametrize(("body", "status", "output", "error"), RESULTS)
def test_only_an_error_that_is_a_string_fails_a_job(
    platform: Platform,
    worker: HttpWorker,
    body: dict[str, Any],
    status: str,
    output: Any,
    error: str | None,
) -> None:
    job = taken(platform, worker)

    assert worker.done(job, **body) == 200
    assert (job.status, job.output, job.error) == (status, output, error)
    assert job.finished.is_set()


SIZES = [(False, 900, 200), (False, 1100, 400), (True, 1900, 200), (True, 2100, 400)]


@pytest.mark.parametrize("rules", [SMALL_RULES])
@pytest.mark.parametrize(("sync", "size", "answer"), SIZES)
def test_a_result_above_the_limit_is_refused_and_the_job_ends_with_nothing(
    platform: Platform, worker: HttpWorker, sync: bool, size: int, answer: int
) -> None:
    job = taken(platform, worker, sync=sync)

    assert worker.done(job, output="x" * (size - 15)) == answer
    assert job.status == "COMPLETED"
    assert (job.output is None) == (answer == 400)
    assert [item.status for item in job.received] == [answer]


@pytest.mark.parametrize("rules", [SMALL_RULES])
def test_progress_and_chunks_above_the_limit_are_refused_and_change_nothing(
    platform: Platform, worker: HttpWorker
) -> None:
    job = taken(platform, worker)

    assert worker.progress(job, "x" * 1000) == 400
    assert worker.chunk(job, "x" * 500) == 400
    assert worker.chunk(job, "x" * 400) == 200
    assert (job.status, job.progress, len(job.chunks)) == ("IN_PROGRESS", [], 1)


def test_everything_that_arrives_is_on_record_in_order(
    platform: Platform, worker: HttpWorker
) -> None:
    job = taken(platform, worker)
    worker.progress(job, 1)
    worker.chunk(job, 2)
    worker.progress(job, 3)
    worker.done(job, output=4)

    assert [item.kind for item in job.received] == ["progress", "chunk", "progress", "result"]
    assert [item.body["output"] for item in job.received] == [1, 2, 3, 4]
    assert {item.request_id for item in job.received} == {job.id}
    assert [item.at for item in job.received] == sorted(item.at for item in job.received)
    assert job.progress == [1, 3]
    assert job.after_result() == []


def test_progress_after_the_result_has_the_job_in_progress_again(
    platform: Platform, worker: HttpWorker
) -> None:
    job = taken(platform, worker)
    worker.done(job, output=1)
    worker.progress(job, "late")

    assert job.flipped
    assert job.status == "IN_PROGRESS"
    assert [item.kind for item in job.after_result()] == ["progress"]


def test_a_cancelled_job_is_stopped_and_takes_nothing_more(
    platform: Platform, worker: HttpWorker
) -> None:
    job = taken(platform, worker)
    platform.cancel(job)

    assert worker.stops() == [job.id]
    assert worker.stops() == []
    assert worker.progress(job, 1) == worker.done(job, output=2) == 200
    assert (job.status, job.output, job.progress) == ("CANCELLED", None, [])
    assert [item.kind for item in job.received] == ["progress", "result"]


def test_a_stop_goes_to_the_worker_that_has_the_job(platform: Platform, worker: HttpWorker) -> None:
    other = HttpWorker(platform, "other")
    job = taken(platform, other)
    platform.cancel(job)

    assert worker.stops() == []
    assert other.stops() == [job.id]


def test_a_job_that_is_cancelled_in_the_queue_is_never_handed_out(
    platform: Platform, worker: HttpWorker
) -> None:
    first, second = platform.submit(1), platform.submit(2)
    platform.cancel(first)

    assert worker.take()["id"] == second.id
    assert worker.stops() == []


def test_a_job_past_its_execution_timeout_is_stopped(
    platform: Platform, worker: HttpWorker
) -> None:
    job = taken(platform, worker, policy={"executionTimeout": 50})
    job.wait(5)

    assert job.status == "TIMED_OUT"
    assert worker.stops() == [job.id]
    assert worker.done(job, output=1) == 200
    assert (job.status, job.output) == ("TIMED_OUT", None)


def test_the_jobs_of_a_dead_worker_are_handed_out_again_in_order_and_first(
    platform: Platform, worker: HttpWorker
) -> None:
    held = [taken(platform, worker) for _ in range(2)]
    waiting = platform.submit("x")
    platform.worker_died()
    again = [HttpWorker(platform, "second").take()["id"] for _ in range(3)]

    assert again == [held[0].id, held[1].id, waiting.id]
    assert [job.deliveries for job in (*held, waiting)] == [2, 2, 1]
    assert held[0].pod == "second"


@pytest.mark.parametrize("rules", [Rules(poll=0.1, tick=0.02, lost_after=1)])
def test_a_worker_whose_heartbeat_stops_is_given_up(platform: Platform, worker: HttpWorker) -> None:
    job = taken(platform, worker)
    for _ in range(6):
        worker.ping(job_id=job.id)
        time.sleep(0.2)
    assert job.status == "IN_PROGRESS"
    until(lambda: job.status == "IN_QUEUE")

    assert worker.take()["id"] == job.id
    assert job.deliveries == 2


def test_a_worker_that_was_given_up_too_early_may_still_deliver(
    platform: Platform, worker: HttpWorker
) -> None:
    job = taken(platform, worker)
    platform.worker_died()
    worker.done(job, output=1)

    assert (job.status, job.output) == ("COMPLETED", 1)
    assert worker.take() is None


def test_of_two_results_the_first_counts(platform: Platform, worker: HttpWorker) -> None:
    job = taken(platform, worker)
    worker.done(job, output=1)
    worker.done(job, error="no")

    assert (job.status, job.output) == ("COMPLETED", 1)
    assert len(job.arrivals("result")) == 2


def test_a_worker_that_asks_to_be_replaced_gets_nothing_more(
    platform: Platform, worker: HttpWorker
) -> None:
    job = taken(platform, worker)
    worker.done(job, output=1, stopPod=True)
    after = platform.submit("x")

    assert platform.pod().stopped.is_set()
    assert job.output == 1
    assert worker.take() is None
    platform.worker_died()
    assert worker.take()["id"] == after.id


def test_a_heartbeat_tells_which_jobs_are_at_work_and_what_is_wrong(
    platform: Platform, worker: HttpWorker
) -> None:
    worker.ping(job_id="a,b", runpod_version="1")
    assert platform.pod().pinged_jobs == ("a", "b")
    worker.ping(runpod_version="1")
    worker.ping(status="unhealthy", check="_disk", reason="full")

    pod = platform.pod()
    assert (pod.pings, pod.pinged_jobs) == (2, ())
    assert pod.unhealthy == [("_disk", "full")]


def test_a_post_that_fails_by_order_has_no_effect(platform: Platform, worker: HttpWorker) -> None:
    platform.faults.failing_results, platform.faults.failing_progress = 2, 1
    job = taken(platform, worker)

    assert [worker.progress(job, n) for n in (1, 2)] == [500, 200]
    assert [worker.done(job, output=n) for n in (1, 2)] == [500, 500]
    assert job.status == "IN_PROGRESS"
    assert worker.done(job, output=3) == 200
    assert (job.progress, job.output) == ([2], 3)


def test_an_answer_that_is_lost_by_order_leaves_its_effect(
    platform: Platform, worker: HttpWorker
) -> None:
    platform.faults.unanswered_results = 1
    job = taken(platform, worker)

    assert worker.done(job, output=1) == 500
    assert job.output == 1


def test_progress_that_is_slow_by_order_is_overtaken_by_the_result(
    platform: Platform, worker: HttpWorker
) -> None:
    job = taken(platform, worker)
    platform.faults.slow_progress = 1
    update = threading.Thread(target=worker.progress, args=(job, "slow"))
    update.start()
    time.sleep(0.1)
    worker.done(job, output=1)
    update.join(10)

    late = job.after_result()
    assert [item.kind for item in late] == ["progress"]
    assert late[0].at - late[0].arrived >= 1
    assert job.flipped


def test_a_worker_without_a_key_or_with_a_job_that_is_none_is_refused(
    platform: Platform, worker: HttpWorker
) -> None:
    url = f"{platform.base_url}/{ENDPOINT}/job-take/{POD}?gpu=SIM"
    stranger = Job(id="none", input=1, policy=platform.submit(1).policy)

    assert requests.get(url, timeout=5).status_code == 401
    assert worker.done(stranger, output=1) == 404


def test_the_platform_ends_at_once_although_polls_are_open() -> None:
    with Platform(Rules(poll=60)) as platform:
        worker = HttpWorker(platform)
        poll = threading.Thread(target=worker.take)
        poll.start()
        platform.wait_for_worker()
    poll.join(10)

    assert not poll.is_alive()
