"""The documents' curl commands, changed in host, model and media and in nothing else."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.gateway.conftest import Serve
from tests.gateway.fakes import QuickWorker
from tests.probe import probe


@pytest.fixture
def media(tmp_path: Path) -> Iterator[str]:
    """A caller's own server, with the image and the video that the documents name."""
    folder = tmp_path / "media"
    folder.mkdir()
    frames = [Image.new("RGB", (64, 48), (40 * step, 90, 0)) for step in range(6)]
    frames[0].save(folder / "flowers.jpg")
    frames[0].save(folder / "vid2vid.gif", save_all=True, append_images=frames[1:], duration=100)
    handler = partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        """Nothing is printed."""


LOCALAI = "curl HOST/video -H 'Content-Type: application/json' KEY -d '%s'"
#: The ModelsLab documents say `--request POST` and show the body; their programs send JSON.
MODELSLAB = "curl --request POST 'HOST%s' -H 'Content-Type: application/json' --data-raw '%s'"

COMMANDS = {
    "LocalAI: text": LOCALAI
    % """{
        "model": "video-model",
        "prompt": "A cat playing in a garden on a sunny day",
        "width": 512,
        "height": 512,
        "num_frames": 16,
        "fps": 8
      }""",
    "LocalAI: image": LOCALAI
    % """{
        "model": "video-model",
        "prompt": "A timelapse of flowers blooming",
        "start_image": "MEDIA/flowers.jpg",
        "num_frames": 24,
        "fps": 12,
        "seed": 42,
        "cfg_scale": 7.5,
        "step": 30
      }""",
    "LocalAI: base64": LOCALAI
    % """{
        "model": "video-model",
        "prompt": "Ocean waves on a beach",
        "response_format": "b64_json"
      }""",
    "ModelsLab: video to video": MODELSLAB
    % (
        "/api/v1/enterprise/video/video2video",
        """{
        "key":"caller-key",
        "model_id":"dark-sushi-mix",
        "prompt":"fox playing ukulele on a boat floating on magma flowing under the boat",
        "negative_prompt":"low quality",
        "init_video":"MEDIA/vid2vid.gif",
        "clip_skip":2,
        "num_inference_steps":40,
        "use_improved_sampling": false,
        "guidance_scale":9.5,
        "strength":0.8,
        "base64":false,
        "webhook":null,
        "track_id": null
      }""",
    ),
    "ModelsLab: text to video": MODELSLAB
    % (
        "/api/v1/enterprise/video/text2video",
        """{
        "key":"caller-key",
        "model_id":"zeroscope",
        "prompt":"An astronaut riding a horse",
        "negative_prompt":"low quality",
        "height":512,
        "width":512,
        "num_frames":16,
        "num_inference_steps":20,
        "guidance_scale":7,
        "upscale_height":640,
        "upscale_width":1024,
        "upscale_strength":0.6,
        "upscale_guidance_scale":12,
        "upscale_num_inference_steps":20,
        "output_type":"gif",
        "webhook":null,
        "track_id":null
      }""",
    ),
    "ModelsLab: image to video": MODELSLAB
    % (
        "/api/v6/video/img2video",
        """{
        "key":"caller-key",
        "model_id":"svd",
        "init_image": "MEDIA/flowers.jpg",
        "height":512,
        "width":512,
        "num_frames":25,
        "num_inference_steps":20,
        "min_guidance_scale":1,
        "max_guidance_scale":3,
        "motion_bucket_id":20,
        "noise_aug_strength":0.02,
        "webhook":null,
        "track_id":null
      }""",
    ),
}


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not on the PATH")
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_the_documents_curl_commands_make_videos(
    serve: Serve, worker: QuickWorker, media: str, tmp_path: Path, command: str
) -> None:
    gateway = serve()
    line = (
        command.replace("HOST", gateway.url)
        .replace("MEDIA", media)
        .replace("KEY", "-H 'Authorization: Bearer caller-key'")
    )
    done = subprocess.run(
        ["bash", "-c", f"{line} --silent --show-error --fail-with-body"],
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    told = json.loads(done.stdout)

    assert worker.inputs
    file = tmp_path / "video"
    file.write_bytes(_video_of(told))
    made, asked = probe(file), worker.inputs[0]
    assert made.frames == asked.get("num_frames", made.frames)
    assert made.size[0] == asked.get("width", made.size[0])  # the grey room does not upscale


def _video_of(told: dict[str, Any]) -> bytes:
    if "data" in told:
        (video,) = told["data"]
        if "b64_json" in video:
            return base64.b64decode(video["b64_json"], validate=True)
        return httpx.get(video["url"]).content
    assert told["status"] == "success"
    (link,) = told["output"]
    return httpx.get(link).content
