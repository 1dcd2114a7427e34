"""Clips of the model by way of the product: a job in, the file's frames out."""

from __future__ import annotations

import asyncio
import base64
import io
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
from PIL import Image

from src.bootstrap import build_worker
from src.config import Settings

from .drawing import Array, clip
from .measuring import Frames
from .scenes import Scene

NAME = "demo"
#: Of the clips that jobs are given.
WIDTH, HEIGHT, FRAMES = 128, 128, 17
#: The packaged line, with weights from wherever they are to be tried.
_MANIFEST = """\
[models.{name}]
repo = "{repo}"
"""

#: What ffmpeg says of a video stream.
_SIZE = re.compile(r"Video: .*?, (\d+)x(\d+)")


class JobFailed(Exception):
    """A job of the evaluation's did not end with a video."""


@dataclass(frozen=True)
class Guide:
    """What is given besides words: images at either end, or a whole clip."""

    first: Frames | None = None
    last: Frames | None = None
    video: Frames | None = None

    def fields(self) -> dict[str, Any]:
        """The job's fields for them, and the endpoint that takes them."""
        if self.video is not None:
            return {"endpoint": "video2video", "init_video": _gif(self.video)}
        named = {"init_image": self.first, "end_image": self.last}
        images = {name: _png(image) for name, image in named.items() if image is not None}
        return {"endpoint": "img2video" if self.first is not None else "text2video", **images}


class Product:
    """The worker with one model, on the CPU; a seed for each job unless it says one."""

    def __init__(self, model: Path, folder: Path) -> None:
        """`model` is owner/name below a folder of models; `folder` takes clips and a manifest."""
        repo = "/".join(model.absolute().parts[-2:])
        manifest = folder / "manifest.toml"
        manifest.write_text(_MANIFEST.format(name=NAME, repo=repo), encoding="utf-8")
        self._worker = build_worker(
            Settings(
                models_dir=model.absolute().parent.parent,
                manifest_path=manifest,
                default_model=NAME,
                device="cpu",
                output_dir=folder / "clips",
                state_dir=folder / "state",
            )
        )
        self._numbers = count(1)

    def make(self, prompt: str, guide: Guide | None = None, **fields: Any) -> Frames:
        """The frames of the job's video; raises JobFailed with the answer's error."""
        return read_file(self.made(prompt, guide, **fields))

    def made(self, prompt: str, guide: Guide | None = None, **fields: Any) -> Path:
        """The job's mp4; raises JobFailed with the answer's error."""
        number = next(self._numbers)
        said = {
            "model_id": NAME,
            "prompt": prompt,
            "seed": number,
            **(guide or Guide()).fields(),
            **fields,
        }
        answer = asyncio.run(self._worker.handle({"id": f"trial-{number}", "input": said}))
        if "error" in answer:
            raise JobFailed(answer["error"])
        return Path(answer["output"][0].removeprefix("file://"))


def read_file(path: Path) -> Frames:
    """A video file's frames, uint8 of shape (T, height, width, 3)."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-i", str(path)]
    command += ["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    done = subprocess.run(command, capture_output=True, check=True)  # noqa: S603 - all ours
    width, height = map(int, _SIZE.findall(done.stderr.decode())[0])
    return np.frombuffer(done.stdout, np.uint8).reshape(-1, height, width, 3)


def frames_of(scene: Scene) -> Frames:
    """The scene as it is drawn, in the size that jobs are given."""
    return as_bytes(clip(scene, frames=FRAMES, width=WIDTH, height=HEIGHT))


def as_bytes(frames: Array) -> Frames:
    """Frames of 0 to 1 as uint8."""
    values: Frames = (frames * np.float32(255)).round().astype(np.uint8)
    return values


def psnr(one: Frames, other: Frames) -> float:
    """In dB."""
    error = float(np.mean((one.astype(np.float64) - other.astype(np.float64)) ** 2))
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def _png(image: Frames) -> str:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _gif(frames: Sequence[Any] | Frames) -> str:
    """A gif, whose colors are few and therefore kept."""
    images = [Image.fromarray(frame) for frame in frames]
    buffer = io.BytesIO()
    images[0].save(buffer, "GIF", save_all=True, append_images=images[1:], duration=125, loop=0)
    return "data:image/gif;base64," + base64.b64encode(buffer.getvalue()).decode()
