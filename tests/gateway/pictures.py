"""Small media for the gateway's tests, made by Pillow and by ffmpeg itself."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from PIL import Image

from src.generation import Clip, VideoFormat
from src.media.encode import write
from src.media.mp4 import Mp4Options

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
OPTIONS = Mp4Options(crf=10, preset="ultrafast", timeout=60)


def png(*, width: int = 40, height: int = 30, colour: str = "teal") -> bytes:
    """A picture of one colour."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(file, "PNG")
    return file.getvalue()


def noise(size: int) -> bytes:
    """A PNG of about so many bytes: noise does not get smaller."""
    side = int((size / 3) ** 0.5) + 1
    pixels = np.random.default_rng(7).integers(0, 255, (side, side, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=0)
    return file.getvalue()


def ramp(
    path: Path, *, num_frames: int, width: int = 64, height: int = 48, is_gif: bool = False
) -> bytes:
    """A video whose frames go evenly from black to white, each of one grey."""
    levels = np.linspace(0, 255, num_frames).round().astype(np.uint8)
    frames = np.empty((num_frames, height, width, 3), np.uint8)
    frames[:] = levels[:, None, None, None]
    clip = Clip(
        width=width, height=height, num_frames=num_frames, fps=Fraction(8), chunks=iter([frames])
    )
    video_format = VideoFormat.GIF if is_gif else VideoFormat.MP4
    write(clip, path, video_format=video_format, mp4=OPTIONS, ffmpeg=FFMPEG)
    return path.read_bytes()


PNG = png()
