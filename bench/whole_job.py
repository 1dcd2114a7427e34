"""A whole job: the script that a user would write, and the worker, on the same model and seed."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from src.bootstrap import build_worker
from src.config import Settings
from src.generation import Report, Stage
from src.notify import Encode

from .measure import measured, psnr
from .mid_size import ADAPTER, ENTRY, REPO

PROMPT = "a fox playing ukulele on a boat"
WIDTH, HEIGHT, FRAMES, STEPS, SEED, FPS = 128, 128, 16, 3, 42, 8
CALL: dict[str, Any] = {
    "prompt": PROMPT,
    "width": WIDTH,
    "height": HEIGHT,
    "num_frames": FRAMES,
    "num_inference_steps": STEPS,
    "guidance_scale": 7.0,
}


class Steps:
    """When each step ended; from that, what denoising took in all."""

    def __init__(self) -> None:
        """No step has ended yet."""
        self._ends: list[float] = []

    def after_step(
        self, _pipe: Any, _step: int, _time: Any, values: dict[str, Any]
    ) -> dict[str, Any]:
        """Diffusers' callback."""
        self._ends.append(time.perf_counter())
        return values

    def started(self, _job: str, _encode: Encode) -> None:
        """The worker's progress."""

    def tell(self, report: Report) -> None:
        """The worker's progress; what it tells of stages is no step."""
        if report.stage is Stage.GENERATE and report.step == len(self._ends) + 1:
            self._ends.append(time.perf_counter())

    async def finished(self, _job: str) -> None:
        """The worker's progress, too."""

    @property
    def seconds(self) -> float:
        """The steps between the first end and the last, and one more for the first."""
        done = len(self._ends)
        return (self._ends[-1] - self._ends[0]) * done / (done - 1)


def load(models: Path) -> Any:
    """The first lines of the script."""
    from diffusers import AnimateDiffPipeline, DDIMScheduler, MotionAdapter

    adapter = MotionAdapter.from_pretrained(models / ADAPTER)
    pipe = AnimateDiffPipeline.from_pretrained(models / REPO, motion_adapter=adapter)
    # The same noise schedule as the worker sets, as diffusers' guide to AnimateDiff does.
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config, timestep_spacing="linspace")
    pipe.set_progress_bar_config(disable=True)
    return pipe


def call(pipe: Any, path: Path, steps: Steps) -> None:
    """The rest of the script."""
    from diffusers.utils import export_to_video

    generator = torch.Generator("cpu").manual_seed(SEED)
    frames = pipe(**CALL, generator=generator, callback_on_step_end=steps.after_step).frames[0]
    export_to_video(frames, str(path), fps=FPS)


def script(models: Path, path: Path) -> dict[str, float]:
    """Load, call, export."""
    steps = Steps()
    with measured() as result:
        call(load(models), path, steps)
    return {"seconds": result.seconds, "denoise": steps.seconds, "extra_mb": result.extra_mb}


def resident_script(models: Path, path: Path) -> dict[str, float]:
    """The same with the pipeline already loaded and run once."""
    pipe = load(models)
    call(pipe, path, Steps())
    steps = Steps()
    with measured() as result:
        call(pipe, path, steps)
    return {"seconds": result.seconds, "denoise": steps.seconds, "extra_mb": result.extra_mb}


def worker(models: Path, path: Path) -> dict[str, float]:
    """The worker after its start: default model loaded and warmed, as before its first job."""
    manifest = path.parent / "bench.toml"
    manifest.write_text(ENTRY)
    steps = Steps()
    made = build_worker(
        Settings(
            models_dir=models,
            manifest_path=manifest,
            default_model="bench",
            output_dir=path.parent,
        ),
        progress=steps,
    )
    made.warm()
    body = {**CALL, "model_id": "bench", "seed": SEED, "fps": FPS}
    with measured() as result:
        answer = asyncio.run(made.handle({"id": path.stem, "input": body}))
    if answer["status"] != "success":
        raise SystemExit(f"the job failed: {answer}")
    return {"seconds": result.seconds, "denoise": steps.seconds, "extra_mb": result.extra_mb}


def truth(models: Path, path: Path) -> dict[str, float]:
    """The frames themselves, before any encoder."""
    generator = torch.Generator("cpu").manual_seed(SEED)
    frames = load(models)(**CALL, generator=generator, output_type="np").frames[0]
    np.save(path.with_suffix(".npy"), (frames * 255).round().astype(np.uint8))
    return {}


CASES = {"script": script, "resident-script": resident_script, "worker": worker}


def main(case: str, models: str, truth_file: str) -> None:
    """Do one case in this process and print JSON."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        if case == "truth":
            truth(Path(models), Path(truth_file))
            return
        figures = CASES[case](Path(models), path)
        figures["bytes"] = path.stat().st_size
        figures["psnr"] = psnr(path, np.load(truth_file))
    print(json.dumps(figures))


if __name__ == "__main__":
    main(*sys.argv[1:4])
