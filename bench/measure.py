"""What is measured of a piece of work: seconds, peak memory beyond what was there, fidelity."""

from __future__ import annotations

import math
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import numpy.typing as npt
import psutil


class Measured:
    """Filled in when the block that is measured ends."""

    seconds = 0.0
    extra_mb = 0.0


@contextmanager
def measured(*, ffmpeg: bool = False) -> Iterator[Measured]:
    """Measure a block: wall seconds, and the peak of memory above its start.

    Memory is this process's; with `ffmpeg`, that child's on top of it, and then the seconds
    are worth nothing: looking at a child takes time from the work.
    """
    result = Measured()
    # Resets the kernel's high-water mark (proc(5), clear_refs).
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    started = time.perf_counter()
    with _largest_ffmpeg() if ffmpeg else nullcontext([0.0]) as child_mb:
        yield result
        result.seconds = time.perf_counter() - started
    result.extra_mb = (_status("VmHWM") - before) / 1024 + max(child_mb)


@contextmanager
def _largest_ffmpeg() -> Iterator[list[float]]:
    """Look at ffmpeg's memory every few milliseconds; the list's largest is its peak in MB.

    The kernel's own figure for children (getrusage) counts this process's copy before it
    became ffmpeg.
    """
    seen, stop = [0.0], threading.Event()

    def look() -> None:
        while not stop.wait(0.01):
            for child in psutil.Process().children(recursive=True):
                with suppress(psutil.Error):
                    if child.name().startswith("ffmpeg"):
                        seen.append(child.memory_info().rss / 2**20)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        stop.set()
        watcher.join()


def psnr(path: Path, frames: npt.NDArray[np.uint8]) -> float:
    """How close a video file is to the frames that it was made from, in dB."""
    made = read_video(path, *frames.shape[1:3])
    if made.shape != frames.shape:
        raise ValueError(f"{path}: holds {made.shape}, should hold {frames.shape}")
    error = np.mean(
        [np.mean((a.astype(np.float32) - b) ** 2) for a, b in zip(made, frames, strict=True)]
    )
    return 10 * math.log10(255**2 / max(float(error), 1e-9))


def read_video(path: Path, height: int, width: int) -> npt.NDArray[np.uint8]:
    """Every frame of a file, uint8 (frames, height, width, 3)."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path)]
    raw = subprocess.run(
        [*command, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], check=True, capture_output=True
    ).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)


def _status(name: str) -> int:
    """A value of /proc/self/status, in KiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise KeyError(name)
