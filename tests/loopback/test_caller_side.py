"""What callers see, over HTTP as the platform documents it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import Any

import pytest
import requests

from loopback import ENDPOINT, Platform, Rules
from tests.loopback.http_worker import HttpWorker

KEY = {"Authorization": "Bearer k"}
SMALL_RULES = Rules(poll=0.1, tick=0.02, run_bytes=1000, runsync_bytes=2000)
QUICK = Rules(
    poll=0.1,
    tick=0.02,
    sync_wait=0.1,
    sync_wait_range=(0.05, 10),
    keep_run=1,
    webhook_pause=0.1,
)


class Caller:
    def __init__(self, platform: Platform) -> None:
        self._base = f"{platform.base_url}/{ENDPOINT}"

    def get(self, path: str, headers: dict[str, str] = KEY) -> requests.Response:
        return requests.get(f"{self._base}/{path}", headers=headers, timeout=20)

    def post(self, path: str, body: Any = None, headers: dict[str, str] = KEY) -> requests.Response:
        data = body if isinstance(body, bytes) else json.dumps(body)
        return requests.post(f"{self._base}/{path}", data=data, headers=headers, timeout=20)

    def status(self, job_id: str) -> dict[str, Any]:
        return dict(self.get(f"status/{job_id}").json())


@pytest.fixture
def caller(platform: Platform) -> Caller:
    return Caller(platform)


def test_a_job_goes_from_the_queue_to_its_output(
    platform: Platform, caller: Caller, worker: HttpWorker
) -> None:
    answer = caller.post("run", {"input": {"a": 1}, "junk": 2}).json()
    job = platform.jobs[answer["id"]]
    assert answer == {"id": job.id, "status": "IN_QUEUE"} == caller.status(job.id)
    assert job.id.endswith("-e1")
    assert worker.take() == {"id": job.id, "input": {"a": 1}}
    worker.progress(job, "half")
    half = caller.status(job.id)
    worker.done(job, output={"b": 2})
    done = caller.status(job.id)

    assert (half["status"], half["output"], half["workerId"]) == ("IN_PROGRESS", "half", "testpod")
    assert (done["status"], done["output"]) == ("COMPLETED", {"b": 2})
    assert set(done) == {"delayTime", "executionTime", "id", "output", "status", "workerId"}


def test_a_failed_job_says_why_and_keeps_its_output(
    platform: Platform, caller: Caller, worker: HttpWorker
) -> None:
    job = platform.submit(1)
    worker.take()
    worker.done(job, error="no", output={"status": "error"})
    said = caller.status(job.id)

    assert (said["status"], said["error"], said["output"]) == ("FAILED", "no", {"status": "error"})


def test_a_job_that_was_flipped_is_in_progress_for_ever(
    platform: Platform, caller: Caller, worker: HttpWorker
) -> None:
    job = platform.submit(1)
    worker.take()
    worker.done(job, output=1)
    worker.progress(job, "late")

    assert caller.status(job.id)["status"] == "IN_PROGRESS"
    assert caller.status(job.id)["output"] == "late"


def test_runsync_waits_for_the_result(
    platform: Platform, caller: Caller, worker: HttpWorker
) -> None:
    answers: list[Any] = []
    body = {"input": {"a": 1}}
    call = threading.Thread(target=lambda: answers.append(caller.post("runsync", body).json()))
    call.start()
    while not platform.jobs:
        time.sleep(0.01)
    taken = worker.take()
    job = platform.jobs[taken["id"]]
    worker.progress(job, "half")
    early = list(answers)
    worker.done(job, output=5)
    call.join(10)

    assert job.id.startswith("sync-")
    assert early == []
    assert (answers[0]["status"], answers[0]["output"]) == ("COMPLETED", 5)


@pytest.mark.parametrize("rules", [QUICK])
@pytest.mark.parametrize("query", ["", "?wait=60"])
def test_runsync_gives_the_id_when_there_is_no_result_in_time(caller: Caller, query: str) -> None:
    answer = caller.post(f"runsync{query}", {"input": 1}).json()

    assert answer["status"] == "IN_QUEUE"
    assert caller.status(answer["id"])["status"] == "IN_QUEUE"


BAD: list[tuple[str, Any, str]] = [
    ("run", {}, "input is required"),
    ("run", {"input": None}, "input is required"),
    ("run", [], "input is required"),
    ("runsync", {"prompt": "x"}, "input is required"),
    ("runsync?wait=soon", {"input": 1}, "wait must be a number"),
    ("run", {"input": 1, "policy": 5}, "policy must be an object"),
    ("run", {"input": 1, "policy": {"ttl": "1 h"}}, "policy.ttl must be a number"),
    ("run", {"input": 1, "policy": {"executionTimeout": -1}}, "policy.executionTimeout must be"),
]


@pytest.mark.parametrize(("path", "body", "words"), BAD)
def test_a_wrong_request_is_refused_with_its_reason(
    platform: Platform, caller: Caller, path: str, body: Any, words: str
) -> None:
    answer = caller.post(path, body)

    assert answer.status_code == 400
    assert words in answer.json()["error"]
    assert not platform.jobs


def test_a_body_that_is_no_json_is_refused(caller: Caller) -> None:
    assert caller.post("run", b"{").status_code == 400


SIZES = [("run", 900, 200), ("run", 1100, 400), ("runsync", 1900, 200), ("runsync", 2100, 400)]


@pytest.mark.parametrize("rules", [SMALL_RULES])
@pytest.mark.parametrize(("path", "size", "answer"), SIZES)
def test_a_request_above_the_limit_is_refused(
    platform: Platform, caller: Caller, path: str, size: int, answer: int
) -> None:
    calls: list[int] = []
    body = {"input": "x" * (size - 20)}
    call = threading.Thread(target=lambda: calls.append(caller.post(path, body).status_code))
    call.start()
    if answer == 200 and path == "runsync":
        while not platform.jobs:
            time.sleep(0.01)
        for job in platform.jobs.values():
            platform.cancel(job)
    call.join(10)

    assert calls == [answer]


KEYS = [
    (None, {}, 401),
    (None, {"Authorization": ""}, 401),
    (None, {"Authorization": "Bearer "}, 401),
    (None, {"Authorization": "anything"}, 200),
    (None, {"Authorization": "Bearer anything"}, 200),
    ("right", {"Authorization": "Bearer wrong"}, 401),
    ("right", {"Authorization": "Bearer right"}, 200),
    ("right", {"Authorization": "right"}, 200),
]


@pytest.mark.parametrize(("key", "headers", "answer"), KEYS)
def test_a_key_is_needed_with_or_without_the_word_bearer(
    key: str | None, headers: dict[str, str], answer: int
) -> None:
    with Platform(Rules(api_key=key)) as platform:
        caller = Caller(platform)

        assert caller.get("health", headers=headers).status_code == answer
        assert caller.post("run", {"input": 1}, headers=headers).status_code == answer


def test_a_stream_gives_each_chunk_once(
    platform: Platform, caller: Caller, worker: HttpWorker
) -> None:
    job = platform.submit(1)
    worker.take()
    worker.chunk(job, "a")
    worker.chunk(job, {"b": 1})
    first = caller.get(f"stream/{job.id}").json()
    worker.chunk(job, "c")
    worker.done(job, output=[])

    assert first == {"status": "IN_PROGRESS", "stream": [{"output": "a"}, {"output": {"b": 1}}]}
    assert caller.get(f"stream/{job.id}").json()["stream"] == [{"output": "c"}]
    assert caller.get(f"stream/{job.id}").json() == {"status": "COMPLETED", "stream": []}


def test_a_failed_job_is_retried_under_its_id(
    platform: Platform, caller: Caller, worker: HttpWorker
) -> None:
    job = platform.submit({"a": 1})
    early = caller.post(f"retry/{job.id}")
    worker.take()
    worker.progress(job, "half")
    worker.chunk(job, "part")
    worker.done(job, error="no")
    answer = caller.post(f"retry/{job.id}").json()
    waiting = caller.status(job.id)
    taken = worker.take()
    begun = caller.status(job.id)
    stream = caller.get(f"stream/{job.id}").json()["stream"]
    worker.done(job, output=2)

    assert early.status_code == 400
    assert answer == {"id": job.id, "status": "IN_QUEUE"} == waiting
    assert taken == {"id": job.id, "input": {"a": 1}}
    assert "output" not in begun  # what the first try said is gone
    assert stream == []
    assert caller.status(job.id)["output"] == 2
    assert (job.deliveries, len(job.arrivals("result"))) == (2, 2)
    assert caller.post(f"retry/{job.id}").status_code == 400


def test_a_job_is_cancelled_and_one_that_is_over_is_not(
    platform: Platform, caller: Caller, worker: HttpWorker
) -> None:
    over, job = platform.submit(1), platform.submit(2)
    worker.take()
    worker.done(over, output=1)

    assert caller.post(f"cancel/{job.id}").json() == {"id": job.id, "status": "CANCELLED"}
    assert caller.post(f"cancel/{over.id}").json() == {"id": over.id, "status": "COMPLETED"}
    assert worker.take() is None


def test_purging_takes_what_waits_and_leaves_what_runs(
    platform: Platform, caller: Caller, worker: HttpWorker
) -> None:
    jobs = [platform.submit(n) for n in range(3)]
    worker.take()

    assert caller.post("purge-queue").json() == {"removed": 2, "status": "completed"}
    assert [job.status for job in jobs] == ["IN_PROGRESS", "CANCELLED", "CANCELLED"]


def test_health_counts_jobs_and_workers(
    platform: Platform, caller: Caller, worker: HttpWorker
) -> None:
    jobs = [platform.submit(n) for n in range(4)]
    HttpWorker(platform, "other").stops()
    worker.take_batch(3)
    worker.done(jobs[0], output=1)
    worker.done(jobs[1], error="no")

    assert caller.get("health").json() == {
        "jobs": {"completed": 1, "failed": 1, "inProgress": 1, "inQueue": 1, "retried": 0},
        "workers": {"idle": 1, "running": 1},
    }


@pytest.mark.parametrize("path", ["status/none", "stream/none"])
def test_a_job_that_never_was_is_not_found(caller: Caller, path: str) -> None:
    assert caller.get(path).status_code == 404
    assert caller.post("cancel/none").status_code == 404


def test_a_job_past_its_time_to_live_is_gone_wherever_it_is(
    platform: Platform, caller: Caller, worker: HttpWorker
) -> None:
    running, waiting = (platform.submit(n, policy={"ttl": 1000}) for n in range(2))
    assert worker.take()["id"] == running.id
    running.wait(5)
    waiting.wait(5)

    assert caller.get(f"status/{running.id}").status_code == 404
    assert caller.get(f"status/{waiting.id}").status_code == 404
    assert worker.stops() == [running.id]
    assert worker.take() is None


@pytest.mark.parametrize("rules", [QUICK])
def test_a_result_is_kept_for_a_while_only(
    platform: Platform, caller: Caller, worker: HttpWorker
) -> None:
    job = platform.submit(1)
    worker.take()
    worker.done(job, output=1)
    assert caller.status(job.id)["status"] == "COMPLETED"
    time.sleep(1.1)

    assert caller.get(f"status/{job.id}").status_code == 404


class Receiver:
    """A webhook's other end: answers with the statuses given, then with 200."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.heard: list[tuple[float, Any]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.heard.append((time.monotonic(), json.loads(body)))
                self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever, args=(0.05,))
    thread.start()
    yield receiver
    receiver.server.shutdown()
    thread.join(10)
    receiver.server.server_close()


HOOKS: list[tuple[list[int], list[int]]] = [
    ([], [200]),
    ([500], [500, 200]),
    ([201, 404], [201, 404, 200]),
    ([500, 500, 500], [500, 500, 500]),
]


@pytest.mark.parametrize("rules", [QUICK])
@pytest.mark.parametrize(("answers", "tries"), HOOKS)
def test_a_webhook_gets_what_status_says_until_it_answers_200_three_times_at_most(
    platform: Platform,
    caller: Caller,
    worker: HttpWorker,
    receiver: Receiver,
    answers: list[int],
    tries: list[int],
) -> None:
    receiver.answers = list(answers)
    body = {"input": 1, "webhook": receiver.url}
    job = platform.jobs[caller.post("run", body).json()["id"]]
    assert worker.take()["webhook"] == receiver.url
    worker.done(job, output={"b": 1})
    state = caller.status(job.id)

    assert job.notified.wait(10)
    assert job.webhook_answers == tries
    assert [heard for _, heard in receiver.heard] == [state] * len(tries)
    times = [at for at, _ in receiver.heard]
    assert all(b - a >= 0.1 for a, b in pairwise(times))


@pytest.mark.parametrize("rules", [QUICK])
def test_a_webhook_that_does_not_answer_is_given_up(platform: Platform, worker: HttpWorker) -> None:
    job = platform.submit(1, webhook="http://127.0.0.1:9/hook")
    worker.take()
    worker.done(job, output=1)

    assert job.notified.wait(10)
    assert job.webhook_answers == [None, None, None]
