"""From a decoded clip to a file: diffusers' export_to_video and export_to_gif, and ours."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import torch

from src.bootstrap import build_media
from src.config import Settings
from src.generation import Clip, VideoFormat
from src.pipelines.family import Plan
from src.pipelines.frames import to_uint8

from .clip import FPS, HEIGHT, WIDTH, decoded_clip, truth
from .measure import measured, psnr

#: Frames of the gif cases.
GIF_FRAMES = 16


def stock_np(clip: torch.Tensor, path: Path) -> None:
    """postprocess_video("np"), then export_to_video: what diffusers' examples do."""
    _stock(clip, path, "np")


def stock_pil(clip: torch.Tensor, path: Path) -> None:
    """The same by way of PIL, the pipelines' default."""
    _stock(clip, path, "pil")


def stock_gif(clip: torch.Tensor, path: Path) -> None:
    """postprocess_video("pil"), then export_to_gif."""
    from diffusers.utils import export_to_gif
    from diffusers.video_processor import VideoProcessor

    export_to_gif(VideoProcessor().postprocess_video(clip, "pil")[0], str(path), fps=FPS)


def ours(clip: torch.Tensor, path: Path) -> None:
    """What the worker does with a family's decoded pieces, as it is set by default."""
    _ours(clip, path, Settings())


def ours_at_stock_psnr(clip: torch.Tensor, path: Path) -> None:
    """The same, at the quality that the stock way has."""
    _ours(clip, path, Settings(video_crf=24))


def _ours(clip: torch.Tensor, path: Path, settings: Settings) -> None:
    plan = Plan(
        width=WIDTH,
        height=HEIGHT,
        num_frames=clip.shape[2],
        generated_width=WIDTH,
        generated_height=HEIGHT,
        generated_frames=clip.shape[2],
    )
    made = Clip(
        width=WIDTH,
        height=HEIGHT,
        num_frames=clip.shape[2],
        fps=Fraction(FPS),
        chunks=to_uint8(iter([clip]), plan),
    )
    build_media(settings).write(made, path, video_format=VideoFormat(path.suffix[1:]))


def _stock(clip: torch.Tensor, path: Path, output_type: str) -> None:
    from diffusers.utils import export_to_video
    from diffusers.video_processor import VideoProcessor

    frames = VideoProcessor().postprocess_video(clip, output_type)[0]
    export_to_video(list(frames), str(path), fps=FPS)


#: What can be measured -> how, and into what.
CASES: dict[str, tuple[Callable[[torch.Tensor, Path], None], str]] = {
    "stock-np": (stock_np, "mp4"),
    "stock-pil": (stock_pil, "mp4"),
    "ours": (ours, "mp4"),
    "ours-equal-psnr": (ours_at_stock_psnr, "mp4"),
    "stock-gif": (stock_gif, "gif"),
    "ours-gif": (ours, "gif"),
}


def main(case: str) -> None:
    """Do one case in this process, for warmth, for memory and for speed; print JSON."""
    work, suffix = CASES[case]
    clip = decoded_clip()
    if suffix == "gif":
        clip = clip[:, :, :GIF_FRAMES]  # the stock way takes a second for three frames
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"clip.{suffix}"
        work(clip[:, :, :3], path)
        path.unlink()
        with measured(ffmpeg=True) as memory:
            work(clip, path)
        path.unlink()
        with measured() as speed:
            work(clip, path)
        figures = {
            "seconds": speed.seconds,
            "extra_mb": memory.extra_mb,
            "bytes": path.stat().st_size,
            "psnr": psnr(path, truth(clip).numpy()),
        }
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1])
