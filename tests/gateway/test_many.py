"""Many jobs at once while the gateway is killed and started again: none lost, none made twice."""

from __future__ import annotations

import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from loopback import Platform, Status
from tests.gateway.clients import Clients, GatewayProcess, Tally
from tests.gateway.fakes import QuickWorker
from tests.loop.conftest import start  # noqa: F401
from tests.loop.small import SMALL
from tests.loop.starting import Start, until

#: Takes the quick worker some hundredths of a second.
BODY = {"width": 64, "height": 48, "num_frames": 5, "fps": 8}


def test_40_jobs_of_8_clients_survive_a_killed_gateway(
    root: Path, platform: Platform, bucket_worker: QuickWorker, tmp_path: Path
) -> None:
    survive(root, platform, bucket_worker, tmp_path, jobs=40, clients=8)


@pytest.mark.soak
def test_200_jobs_of_20_clients_survive_a_killed_gateway(
    root: Path, platform: Platform, bucket_worker: QuickWorker, tmp_path: Path
) -> None:
    survive(root, platform, bucket_worker, tmp_path, jobs=200, clients=20)


@pytest.mark.soak
def test_200_jobs_whose_answers_hold_the_videos_survive_a_killed_gateway(
    root: Path, platform: Platform, worker: QuickWorker, tmp_path: Path
) -> None:
    """Without a bucket a job that was handed over twice may be made twice: the caller has one."""
    survive(root, platform, worker, tmp_path, jobs=200, clients=20)


@pytest.mark.loop
def test_jobs_of_a_real_worker_survive_a_killed_gateway(
    root: Path,
    platform: Platform,
    start: Start,  # noqa: F811
    tmp_path: Path,
) -> None:
    small = {name: SMALL[name] for name in ("width", "height", "num_frames", "fps", "seed")}
    body = {"model": "tiny", **small, "num_inference_steps": SMALL["num_inference_steps"]}
    with (
        start(platform, OUTPUT_DIR=""),
        GatewayProcess(root, platform, tmp_path) as gateway,
    ):
        platform.wait_for_worker(seconds=120)
        clients = Clients(gateway.url, count=4, jobs=8, body=body)
        until(lambda: len(platform.jobs) >= 3)
        gateway.kill()
        tally = clients.wait()
    hold(tally, tmp_path, jobs=8)
    assert "Traceback" not in gateway.log()


def survive(
    root: Path, platform: Platform, worker: QuickWorker, folder: Path, *, jobs: int, clients: int
) -> None:
    with GatewayProcess(root, platform, folder) as gateway:
        asking = Clients(gateway.url, count=clients, jobs=jobs, body=BODY)
        # Once while calls are handed over, and once while they are looked after.
        until(lambda: len(platform.jobs) >= jobs // 4, 120)
        gateway.kill()
        until(lambda: len(asking.tally.videos) >= jobs // 4, 240)
        gateway.kill()
        tally = asking.wait()
        log = gateway.log()

    hold(tally, folder, jobs=jobs)
    assert gateway.starts == 3
    assert "Traceback" not in log, log

    handed = Counter(job.input["request_id"] for job in platform.jobs.values())
    done = {
        job.input["request_id"] for job in platform.jobs.values() if job.status == Status.COMPLETED
    }
    twice = sum(handed.values()) - jobs
    made = Counter(request.parameters.prompt for request in worker.pipelines.requests)
    print(f"\n{jobs} jobs: {tally.again} calls made again, {twice} handed over twice, ", end="")  # noqa: T201
    print(f"{made.total() - jobs} made twice")  # noqa: T201
    assert len(done) == len(handed) == jobs
    assert set(made) == set(tally.videos)
    if worker.bucket:
        assert made.total() == jobs
        assert len(worker.bucket.saved) == jobs


def hold(tally: Tally, folder: Path, *, jobs: int) -> None:
    """Every call has one video, its own, and counts once."""
    names = {f"call-{number}" for number in range(jobs)}
    assert {name: len(ids) for name, ids in tally.ids.items()} == dict.fromkeys(names, 1)
    assert len({video_id for ids in tally.ids.values() for video_id in ids}) == jobs
    assert {name: (v["status"], v["prompt"]) for name, v in tally.videos.items()} == {
        name: ("completed", name) for name in names
    }
    assert [name for name in names if b"ftyp" not in tally.contents[name][:12]] == []

    connection = sqlite3.connect(folder / "gateway.db")
    rows = connection.execute(
        "SELECT u.state, v.state, count(*), min(u.video_seconds) > 0 "
        "FROM usage u LEFT JOIN videos v ON v.id = u.video_id GROUP BY 1, 2"
    ).fetchall()
    (videos,) = connection.execute("SELECT count(*) FROM videos").fetchone()
    connection.close()
    assert rows == [("completed", "completed", jobs, 1)]
    assert videos == jobs
