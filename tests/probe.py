"""What ffmpeg makes of a video file."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg

STREAM = re.compile(r"Video: (\w+).*?, (\d+)x(\d+).*?, ([\d.]+) fps")


@dataclass(frozen=True)
class Probed:
    """Codec, size, frames that could be decoded, and frames a second."""

    codec: str
    size: tuple[int, int]
    frames: int
    fps: float


def probe(path: Path) -> Probed:
    """Decode the whole file."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-i", str(path), "-fps_mode"]
    command += ["passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "-"]
    done = subprocess.run(command, capture_output=True, check=True)
    found = STREAM.search(done.stderr.decode())
    assert found, done.stderr.decode()
    codec, width, height, fps = found.groups()
    size = (int(width), int(height))
    return Probed(codec, size, len(done.stdout) // (size[0] * size[1]), float(fps))
