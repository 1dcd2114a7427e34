"""ModelsLab's three example bodies, one after the other in one worker, on tiny weights."""

from __future__ import annotations

import base64
import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from src.bootstrap import build_worker
from src.config import Settings
from src.worker import Worker
from tests.fakes import HeardProgress

GOLDEN = Path(__file__).parent / "dialects" / "modelslab" / "golden"
TASKS = ("text2video", "img2video", "video2video")
#: What the examples leave to be large, made small: the whole bodies take minutes on a CPU.
SMALLER = {
    "width": 64,
    "height": 64,
    "num_frames": 5,
    "num_inference_steps": 3,
    "upscale_width": 96,
    "upscale_height": 64,
    "upscale_num_inference_steps": 3,
}


@pytest.fixture
def worker(tiny_models: Path, tmp_path: Path) -> Worker:
    settings = Settings(models_dir=tiny_models, output_dir=tmp_path, device="cpu")
    return build_worker(settings, progress=HeardProgress())


def example(task: str) -> dict[str, Any]:
    """The body of the documentation, with what cannot be had here exchanged."""
    body: dict[str, Any] = json.loads((GOLDEN / f"{task}.json").read_text())["body"]
    if "init_image" in body:
        body["init_image"] = picture()
    if "init_video" in body:
        body["init_video"] = film()
    return body


def smaller(body: dict[str, Any]) -> dict[str, Any]:
    """The body, with what is large in it made small; upscaled only where it was."""
    changes = {
        name: value for name, value in SMALLER.items() if name in body or "upscale" not in name
    }
    return body | changes


def picture() -> str:
    pixels = np.indices((300, 400)).sum(axis=0, dtype=np.uint16).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(np.stack([pixels, 255 - pixels, pixels // 2], axis=-1)).save(buffer, "JPEG")
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def film() -> str:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi"]
    command += ["-i", "testsrc=size=160x120:rate=10:duration=2", "-f", "gif", "-"]
    made = subprocess.run(command, check=True, capture_output=True).stdout
    return "data:image/gif;base64," + base64.b64encode(made).decode()


async def answer_of(worker: Worker, job_id: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await worker.handle({"id": job_id, "input": body})
    print(job_id, answer.get("timings"))  # noqa: T201  the long form runs for minutes
    assert answer["status"] == "success", answer
    return answer


def content(answer: dict[str, Any]) -> bytes:
    return Path(answer["output"][0].removeprefix("file://")).read_bytes()


def assert_shape(answer: dict[str, Any], task: str) -> None:
    """Every key of the documentation's answer is there, with a value of its type."""
    documented = json.loads((GOLDEN / f"{task}.json").read_text())["answer"]
    assert answer.keys() >= documented.keys()
    assert answer.keys() - documented.keys() == {"warnings", "timings"}
    assert answer["meta"].keys() >= documented["meta"].keys()
    for name in ("generationTime", "id", "output", "proxy_links"):
        assert type(answer[name]) is type(documented[name])


async def check(worker: Worker, changed: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """One after the other, then each again with the seed that it was given."""
    bodies = {task: changed(example(task)) for task in TASKS}
    answers = {task: await answer_of(worker, task, body) for task, body in bodies.items()}
    for task, answer in answers.items():
        assert_shape(answer, task)
        again = bodies[task] | {"seed": answer["meta"]["seed"]}
        assert content(answer) == content(await answer_of(worker, f"{task}-again", again))


@pytest.mark.real
async def test_the_examples_are_answered_in_their_shape_and_repeat_by_their_seed(
    worker: Worker,
) -> None:
    await check(worker, smaller)


@pytest.mark.seeds
async def test_the_examples_as_they_stand(worker: Worker) -> None:
    await check(worker, dict)


@pytest.mark.real
async def test_without_a_seed_each_video_is_another(worker: Worker) -> None:
    body = smaller(example("text2video"))
    one, other = await answer_of(worker, "one", body), await answer_of(worker, "other", body)

    assert one["meta"]["seed"] != other["meta"]["seed"]
    assert content(one) != content(other)


@pytest.mark.real
async def test_what_the_model_cannot_use_is_named(worker: Worker) -> None:
    answer = await answer_of(
        worker, "t2v", smaller(example("text2video")) | {"model_id": "cogvideox"}
    )

    assert [warning.split(":")[0] for warning in answer["warnings"]] == [
        "upscale_guidance_scale",
        "upscale_height",
        "upscale_num_inference_steps",
        "upscale_strength",
        "upscale_width",
    ]
