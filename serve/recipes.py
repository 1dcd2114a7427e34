"""Lines to paste into a shell: one for each API, each of which leaves a video in the folder."""

from __future__ import annotations

import json
import shlex
import sys
from typing import Any

from loopback import ENDPOINT

PROMPT = "a red ball moving to the right"
#: A second or two on a laptop.
FIGURES: dict[str, Any] = {"width": 128, "height": 128, "num_frames": 17}
STEPS = 24

JSON = "-H 'Content-Type: application/json'"
#: The link in an answer.
LINK = """grep -o 'http[^"]*mp4' | head -1"""


def modelslab(url: str) -> str:
    """ModelsLab's: the answer has a link."""
    said = {"key": "any", "model_id": "demo", "prompt": PROMPT, **FIGURES}
    body = json.dumps({**said, "num_inference_steps": STEPS})
    asked = f"curl -fsS {url}/api/v6/video/text2video {JSON} -d {shlex.quote(body)}"
    return f'curl -fsS -o modelslab.mp4 "$({asked} | {LINK})"'


def openai(url: str) -> str:
    """OpenAI's, in vLLM-Omni's form that waits: the answer is the video."""
    figures = {"size": "128x128", "num_frames": 17, "num_inference_steps": STEPS}
    fields = {"model": "demo", "prompt": PROMPT, **figures}
    form = " ".join(f"-F {shlex.quote(f'{name}={value}')}" for name, value in fields.items())
    return f"curl -fsS -o openai.mp4 {url}/v1/videos/sync {form}"


def localai(url: str) -> str:
    """LocalAI's: the answer has a link."""
    body = json.dumps({"model": "demo", "prompt": PROMPT, **FIGURES, "step": STEPS})
    asked = f"curl -fsS {url}/video {JSON} -d {shlex.quote(body)}"
    return f'curl -fsS -o localai.mp4 "$({asked} | {LINK})"'


def runpod_sdk(platform_url: str) -> str:
    """RunPod's own client, past the gateway."""
    said = {"model_id": "demo", "prompt": PROMPT, **FIGURES, "num_inference_steps": STEPS}
    job = json.dumps({"input": said})
    code = (
        'import runpod; runpod.api_key = "any"; '
        f'print(runpod.Endpoint("{ENDPOINT}").run_sync({job})["meta"])'
    )
    python = shlex.quote(sys.executable)
    return f"RUNPOD_ENDPOINT_BASE_URL={platform_url} {python} -c {shlex.quote(code)}"
