"""The worker that most people write: import, load at module level, hand a function to the SDK.

`python bench/naive_worker.py MODELS REPO ADAPTER`. A careful one: safetensors, no download, only
what it needs, no bar. The bench runs it as it is; it knows nothing of ours.
"""

import base64
import sys
import tempfile
from typing import Any

import runpod
import torch
from diffusers import AnimateDiffPipeline, DDIMScheduler, MotionAdapter
from diffusers.utils import export_to_video

MODELS, REPO, ADAPTER = sys.argv[1:4]

adapter = MotionAdapter.from_pretrained(f"{MODELS}/{ADAPTER}", use_safetensors=True)
pipe = AnimateDiffPipeline.from_pretrained(
    f"{MODELS}/{REPO}", motion_adapter=adapter, use_safetensors=True
)
pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config, timestep_spacing="linspace")
pipe.set_progress_bar_config(disable=True)


def handler(job: dict[str, Any]) -> dict[str, str]:
    """One video, as base64."""
    asked = job["input"]
    generator = torch.Generator("cpu").manual_seed(asked["seed"])
    frames = pipe(
        prompt=asked["prompt"],
        width=asked["width"],
        height=asked["height"],
        num_frames=asked["num_frames"],
        num_inference_steps=asked["num_inference_steps"],
        guidance_scale=asked["guidance_scale"],
        generator=generator,
    ).frames[0]
    with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
        export_to_video(frames, file.name, fps=asked["fps"])
        return {"video": base64.b64encode(file.read()).decode()}


if __name__ == "__main__":
    runpod.serverless.start({"handler": handler})
