"""handler.py as the platform runs it: a process of its own, the SDK's real loop, real pipelines."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from loopback import Platform, WorkerProcess
from tests.loop.small import SMALL
from tests.loop.starting import Start
from tests.probe import Probed, probe

pytestmark = pytest.mark.loop


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with Platform() as platform:
        yield platform


@pytest.fixture(scope="module")
def worker(platform: Platform, start: Start) -> Iterator[WorkerProcess]:
    with start(platform) as worker:
        yield worker


def video_of(answer: dict[str, Any]) -> Path:
    return Path(answer["output"][0].removeprefix("file://"))


def test_a_job_is_completed_with_a_video_that_plays(
    platform: Platform, worker: WorkerProcess
) -> None:
    job = worker.wait_for(platform.submit(SMALL))

    assert job.status == "COMPLETED"
    assert job.output["status"] == "success"
    assert job.output["meta"]["file_prefix"] == job.id
    assert probe(video_of(job.output)) == Probed("h264", (66, 64), 5, 10.0)


BAD: list[tuple[dict[str, Any], str]] = [
    ({"model_id": "sora"}, "Model not found: 'sora'"),
    ({"prompt": None}, "prompt is required"),
    ({"prompt": "x" * 100_000}, "prompt"),
    ({"seed": 2**63}, "seed"),
    ({"guidance_scale": "NaN"}, "guidance_scale"),
    ({"num_frames": 1000}, "num_frames must be at most 32 for tiny, got 1000"),
    ({"width": 100_000}, "width x height must be at most"),
    ({"endpoint": "img2video"}, "init_image is required"),
    ({"init_image": "http://127.0.0.1:9/a.png"}, "private address"),
    ({"init_image": "bm90IGFuIGltYWdl"}, "init_image"),
    ({"endpoint": "video2video", "init_video": "data:video/mp4;base64,AAAA"}, "init_video"),
]


@pytest.mark.parametrize(("change", "words"), BAD)
def test_a_bad_job_fails_with_its_reason_and_the_next_is_done(
    platform: Platform, worker: WorkerProcess, change: dict[str, Any], words: str
) -> None:
    bad, good = platform.submit(SMALL | change), platform.submit(SMALL)
    worker.wait_for(bad)
    worker.wait_for(good)

    assert bad.status == "FAILED"
    assert words in str(bad.error)
    assert bad.output == {"status": "error", "message": bad.error}
    assert len(str(bad.error)) < 1000
    assert good.status == "COMPLETED"


@pytest.mark.parametrize("payload", [[], "a fox", 7])
def test_an_input_that_is_no_object_fails(
    platform: Platform, worker: WorkerProcess, payload: Any
) -> None:
    job = worker.wait_for(platform.submit(payload))

    assert job.status == "FAILED"
    assert "input must be a JSON object" in str(job.error)


def test_a_prompt_in_any_script_is_a_prompt_and_a_seed_of_minus_one_is_random(
    platform: Platform, worker: WorkerProcess
) -> None:
    jobs = [platform.submit(SMALL | {"prompt": "狐狸 🦊", "seed": -1}) for _ in range(2)]
    seeds = [worker.wait_for(job).output["meta"]["seed"] for job in jobs]

    assert [job.status for job in jobs] == ["COMPLETED"] * 2
    assert len(set(seeds)) == 2
    assert all(seed >= 0 for seed in seeds)


@pytest.mark.parametrize("clip_skip", [2, "12"])
def test_every_layer_of_the_text_encoder_can_be_asked_for(
    platform: Platform, worker: WorkerProcess, clip_skip: Any
) -> None:
    job = worker.wait_for(platform.submit(SMALL | {"clip_skip": clip_skip}))

    assert job.status == "COMPLETED", job.error
    assert job.output["meta"]["clip_skip"] == int(clip_skip)


def test_the_log_holds_no_prompt(platform: Platform, worker: WorkerProcess) -> None:
    job = worker.wait_for(platform.submit(SMALL | {"prompt": "very private words"}))

    assert job.id in worker.log()
    assert "very private words" not in worker.log()


def run_handler(
    root: Path, models: Path, folder: Path, *arguments: str
) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "MODELS_DIR": str(models),
        "OUTPUT_DIR": str(folder),
        "RUNPOD_LOG_LEVEL": "INFO",
        "HOME": str(folder),
    }
    return subprocess.run(
        [sys.executable, "handler.py", *arguments],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_example_job_gives_the_video_that_it_asks_for(
    root: Path, tiny_models: Path, tmp_path: Path
) -> None:
    asked = json.loads((root / "test_input.json").read_text())["input"]
    done = run_handler(root, tiny_models, tmp_path)

    assert done.returncode == 0, done.stderr
    made = probe(tmp_path / "local_test.mp4")
    assert made.size == (asked["width"], asked["height"])
    assert made.frames == asked["num_frames"]
    assert made.fps == asked["fps"]
    assert f"saved {tmp_path / 'local_test.mp4'}" in done.stdout + done.stderr


def test_a_job_on_the_command_line_that_fails_says_so(
    root: Path, tiny_models: Path, tmp_path: Path
) -> None:
    job = json.dumps({"input": {"model_id": "tiny", "width": 63, "prompt": "a fox"}})
    done = run_handler(root, tiny_models, tmp_path, "--test_input", job)

    assert done.returncode == 1
    assert "width must be even for mp4, got 63" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"MODELS_DIR": "/nowhere"}, "cannot start: no model of the manifest has its weights"),
        ({"DEFAULT_MODEL": "sora"}, "cannot start: Model not found: 'sora'; present are:"),
        ({"VIDEO_CRF": "99"}, "video_crf"),
        ({"MANIFEST_PATH": "/nowhere.toml"}, "/nowhere.toml"),
    ],
)
def test_a_worker_that_cannot_start_says_why_in_words(
    root: Path, tiny_models: Path, settings: dict[str, str], words: str
) -> None:
    environment = {**os.environ, "MODELS_DIR": str(tiny_models), **settings}
    done = subprocess.run(
        [sys.executable, "handler.py"],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_the_development_server_answers_with_the_video(
    root: Path, tiny_models: Path, tmp_path: Path
) -> None:
    port = free_port()
    environment = {**os.environ, "MODELS_DIR": str(tiny_models), "HOME": str(tmp_path)}
    server = subprocess.Popen(
        [sys.executable, "handler.py", "--rp_serve_api", "--rp_api_port", str(port)],
        cwd=root,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        answer = ask_when_up(f"http://localhost:{port}/runsync", {"input": SMALL})
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)

    assert answer["status"] == "COMPLETED"
    head, _, data = answer["output"]["output"][0].partition(",")
    assert head == "data:video/mp4;base64"
    assert base64.b64decode(data)[4:8] == b"ftyp"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def ask_when_up(url: str, body: dict[str, Any]) -> dict[str, Any]:
    for _ in range(300):
        try:
            answer: dict[str, Any] = requests.post(url, json=body, timeout=60).json()
        except requests.ConnectionError:
            time.sleep(0.2)
        else:
            return answer
    raise AssertionError(f"nothing answers at {url}")
