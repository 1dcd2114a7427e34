"""LocalAI's and vLLM-Omni's example bodies in one worker, on tiny weights."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from src.bootstrap import build_worker
from src.config import Settings
from src.worker import Worker
from tests.fakes import HeardProgress
from tests.probe import probe

pytestmark = pytest.mark.real

HERE = Path(__file__).parent / "dialects"
#: The examples ask for minutes of a CPU's time; LocalAI's leave what they do not say to the model.
SMALL = {"width": 64, "height": 48}
LOCALAI = SMALL | {"num_frames": 5, "fps": 8, "step": 2, "model": "tiny"}
OPENAI = SMALL | {"num_frames": "9", "fps": "16", "num_inference_steps": "2"}
#: Models whose limits hold what vLLM-Omni's examples ask for.
MODELS = {"create": "wan2.1", "sync": "wan2.1", "image": "ltx-video"}


@pytest.fixture
def worker(tiny_models: Path, tmp_path: Path) -> Worker:
    settings = Settings(models_dir=tiny_models, output_dir=tmp_path, device="cpu")
    return build_worker(settings, progress=HeardProgress())


def example(api: str, name: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((HERE / api / "golden" / f"{name}.json").read_text())["body"]
    for field in ("start_image", "input_reference"):
        if field in body:
            body[field] = picture()
    return body


def picture() -> str:
    pixels = np.indices((60, 80)).sum(axis=0, dtype=np.uint16).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(np.stack([pixels, 255 - pixels, pixels // 2], axis=-1)).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


async def ask(worker: Worker, body: dict[str, Any]) -> dict[str, Any]:
    answer = await worker.handle({"id": "job-1", "input": body})
    assert "error" not in answer, answer
    return answer


@pytest.mark.parametrize("name", ["text", "start_image", "b64_json"])
async def test_localais_examples(worker: Worker, tmp_path: Path, name: str) -> None:
    body = example("localai", name) | LOCALAI | {"endpoint": "/video"}
    answer = await ask(worker, body)

    (video,) = answer["data"]
    path = tmp_path / "made.mp4"
    if name == "b64_json":
        path.write_bytes(base64.b64decode(video["b64_json"], validate=True))
    else:
        path = Path(video["url"].removeprefix("file://"))
    made = probe(path)
    assert (made.size, made.frames, made.fps) == ((64, 48), 5, 8)
    assert (answer["width"], answer["height"], answer["num_frames"]) == (64, 48, 5)
    assert answer["warnings"] == []
    assert answer["seed"] == body.get("seed", answer["seed"])


@pytest.mark.parametrize("name", ["create", "image", "sync"])
async def test_vllm_omnis_examples(worker: Worker, name: str) -> None:
    body = example("openai", name) | OPENAI | {"model": MODELS[name], "endpoint": "/v1/videos"}
    answer = await ask(worker, body)

    made = probe(Path(answer["url"].removeprefix("file://")))
    assert (made.size, made.frames, made.fps) == ((64, 48), 9, 16)
    assert (answer["size"], answer["seconds"], answer["status"]) == ("64x48", "0.562", "completed")
    assert answer["warnings"] == []


async def test_what_an_openai_program_says_is_enough(worker: Worker) -> None:
    """The SDK's whole vocabulary: a model that nobody else has, seconds and size as text."""
    body = {
        "openai_route": "/v1/videos",
        "openai_input": {"model": "sora-2", "prompt": "a fox", "seconds": "1", "size": "64x48"},
    }
    answer = await ask(worker, body)

    made = probe(Path(answer["url"].removeprefix("file://")))
    assert (made.frames, made.fps) == (8, 8)  # the demo model's own rate
    assert (answer["model"], answer["seconds"]) == ("demo", "1")
    assert [words.split(":")[0] for words in answer["warnings"]] == ["model"]


async def test_extras_reach_the_model(worker: Worker) -> None:
    body = LOCALAI | {
        "endpoint": "/video",
        "prompt": "a fox",
        "seed": 7,
        "params": {"enable_frame_interpolation": "true", "flow_shift": "3", "output_format": "gif"},
    }
    answer = await ask(worker, body)

    assert (answer["num_frames"], answer["fps"], answer["media_type"]) == (9, 16.0, "image/gif")
    assert answer["warnings"] == ["params.flow_shift: not used by tiny, ignored"]
