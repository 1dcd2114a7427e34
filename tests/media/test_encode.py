import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from time import sleep

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageSequence

from src.errors import EncodingError, GenerationCancelled, InvalidRequest
from src.generation import Clip, VideoFormat
from src.media.encode import check_fps, check_size, write
from src.media.gif import delays
from src.media.mp4 import Mp4Options

from .conftest import RunFfmpeg, child_pids

Frames = npt.NDArray[np.uint8]
Write = Callable[..., None]

MP4, GIF = VideoFormat.MP4, VideoFormat.GIF
OPTIONS = Mp4Options(crf=20, preset="superfast", timeout=60)


def scene(count: int = 8, width: int = 96, height: int = 64) -> Frames:
    """Gradients that drift, and a square that crosses them."""
    x, y = np.arange(width), np.arange(height)[:, None]
    frames = np.empty((count, height, width, 3), np.uint8)
    for number, frame in enumerate(frames):
        frame[..., 0] = 127 + 100 * np.sin(x / width * 3 + number / count * 3)
        frame[..., 1] = 127 + 100 * np.sin(y / height * 3 - number / count * 3)
        frame[..., 2] = 127 + 100 * np.cos((x + y) / (width + height) * 4)
        left = (width - 16) * number // count
        frame[height // 3 : height // 3 + 16, left : left + 16] = (240, 40, 30)
    return frames


def clip_of(frames: Frames, *, fps: Fraction = Fraction(8), chunk: int = 3) -> Clip:
    count, height, width, _ = frames.shape
    chunks = (frames[start : start + chunk] for start in range(0, count, chunk))
    return Clip(width=width, height=height, num_frames=count, fps=fps, chunks=chunks)


def psnr(one: Frames, other: Frames) -> float:
    error = np.mean((one.astype(float) - other) ** 2)
    return float(10 * np.log10(255**2 / (error + 1e-9)))


@pytest.fixture
def write_clip(ffmpeg: str) -> Write:
    return partial(write, mp4=OPTIONS, ffmpeg=ffmpeg)


def frames_of_gif(path: Path) -> Frames:
    with Image.open(path) as image:
        return np.stack(
            [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]
        )


@pytest.fixture
def frames_of_mp4(ffmpeg: str) -> Callable[[Path, tuple[int, int]], Frames]:
    """Frames as a player shows them, in the colours that the file's tags ask for."""

    def read(path: Path, size: tuple[int, int]) -> Frames:
        arguments = ("-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
        done = subprocess.run([ffmpeg, *arguments], capture_output=True, check=True)
        return np.frombuffer(done.stdout, np.uint8).reshape(-1, size[1], size[0], 3)

    return read


@pytest.mark.parametrize(
    ("width", "height", "count"), [(854, 480, 16), (1920, 1080, 2), (64, 48, 1), (98, 62, 7)]
)
@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_mp4_has_the_size_and_the_frames(
    write_clip: Write,
    frames_of_mp4: Callable[..., Frames],
    run_ffmpeg: RunFfmpeg,
    tmp_path: Path,
    width: int,
    height: int,
    count: int,
    chunk: int,
) -> None:
    path, frames = tmp_path / "a.mp4", scene(count, width, height)

    write_clip(clip_of(frames, chunk=chunk), path, video_format=MP4)

    assert f", {width}x{height}," in run_ffmpeg("-i", path)
    seen = frames_of_mp4(path, (width, height))
    assert seen.shape == frames.shape
    assert psnr(seen, frames) > 33


@pytest.mark.parametrize(
    "fps",
    [
        Fraction(8),
        Fraction(24000, 1001),
        Fraction(30000, 1001),
        Fraction(25, 2),
        Fraction(60),
        Fraction(1),
    ],
)
def test_mp4_has_the_exact_rate(
    write_clip: Write, run_ffmpeg: RunFfmpeg, tmp_path: Path, fps: Fraction
) -> None:
    path = tmp_path / "a.mp4"

    write_clip(clip_of(scene(), fps=fps), path, video_format=MP4)

    packets = run_ffmpeg("-i", path, "-c", "copy", "-f", "framecrc", tmp_path / "packets")
    assert "Error" not in packets
    lines = (tmp_path / "packets").read_text().splitlines()
    unit = next(Fraction(line.split(": ")[1]) for line in lines if line.startswith("#tb 0"))
    times = sorted(int(line.split(",")[2]) * unit for line in lines if not line.startswith("#"))
    assert times == [number / fps for number in range(8)]


def test_mp4_says_its_colours_and_plays_before_it_is_loaded(
    write_clip: Write, run_ffmpeg: RunFfmpeg, tmp_path: Path
) -> None:
    path = tmp_path / "a.mp4"

    write_clip(clip_of(scene()), path, video_format=MP4)

    assert "h264 (High)" in run_ffmpeg("-i", path)
    assert "yuv420p(tv, bt709, progressive)" in run_ffmpeg("-i", path)
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize(
    "colour",
    [
        (255, 0, 0),
        (0, 255, 0),
        (0, 0, 255),
        (255, 255, 255),
        (0, 0, 0),
        (128, 128, 128),
        (200, 120, 40),
    ],
)
def test_mp4_keeps_colours(
    write_clip: Write,
    frames_of_mp4: Callable[..., Frames],
    tmp_path: Path,
    colour: tuple[int, int, int],
) -> None:
    path = tmp_path / "a.mp4"
    frames = np.full((4, 64, 96, 3), colour, np.uint8)

    write_clip(clip_of(frames), path, video_format=MP4)

    mean = frames_of_mp4(path, (96, 64)).mean(axis=(0, 1, 2))
    assert mean == pytest.approx(colour, abs=2)


def test_mp4_quality_is_the_operators_choice(ffmpeg: str, tmp_path: Path) -> None:
    sizes = []
    for crf in (10, 40):
        path = tmp_path / f"{crf}.mp4"
        options = replace(OPTIONS, crf=crf)
        write(clip_of(scene()), path, video_format=MP4, mp4=options, ffmpeg=ffmpeg)
        sizes.append(path.stat().st_size)

    assert sizes[0] > 2 * sizes[1]


def test_the_same_frames_give_the_same_file(write_clip: Write, tmp_path: Path) -> None:
    for video_format in VideoFormat:
        paths = [tmp_path / f"{name}.{video_format}" for name in "ab"]
        for path in paths:
            write_clip(clip_of(scene()), path, video_format=video_format)

        assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize(("width", "height", "count"), [(855, 481, 5), (8, 8, 1), (96, 64, 40)])
@pytest.mark.parametrize("chunk", [1, 7])
def test_gif_has_the_size_and_the_frames(
    write_clip: Write, tmp_path: Path, width: int, height: int, count: int, chunk: int
) -> None:
    path, frames = tmp_path / "a.gif", scene(count, width, height)

    write_clip(clip_of(frames, chunk=chunk), path, video_format=GIF)

    seen = frames_of_gif(path)
    assert seen.shape == frames.shape
    assert psnr(seen, frames) > 30


@pytest.mark.parametrize(
    ("fps", "expected"),
    [
        (Fraction(8), [12, 13, 12, 13, 12, 13, 12, 13]),
        (Fraction(10), [10] * 8),
        (Fraction(24), [4, 4, 4, 4, 4, 5, 4, 4]),
        (Fraction(30000, 1001), [3, 3, 4, 3, 3, 4, 3, 3]),
        (Fraction(50), [2] * 8),
    ],
)
def test_gif_delays_add_up(
    write_clip: Write, tmp_path: Path, fps: Fraction, expected: list[int]
) -> None:
    path = tmp_path / "a.gif"

    write_clip(clip_of(scene(), fps=fps), path, video_format=GIF)

    with Image.open(path) as image:
        seen = [frame.info["duration"] // 10 for frame in ImageSequence.Iterator(image)]
    assert seen == expected


def test_gif_delays_never_drift() -> None:
    clip = clip_of(np.zeros((1001, 8, 8, 3), np.uint8), fps=Fraction(24))

    assert sum(delays(clip)) == 1001 * 100 // 24


def test_gif_loops_for_ever_with_one_palette(write_clip: Write, tmp_path: Path) -> None:
    path = tmp_path / "a.gif"

    write_clip(clip_of(scene()), path, video_format=GIF)

    with Image.open(path) as image:
        assert image.info["loop"] == 0
    assert len(np.unique(frames_of_gif(path).reshape(-1, 3), axis=0)) <= 255


def test_gif_takes_colours_from_the_whole_clip(write_clip: Write, tmp_path: Path) -> None:
    """A palette of the first frames alone would have none of the last one's."""
    path = tmp_path / "a.gif"
    frames = np.zeros((9, 32, 32, 3), np.uint8)
    frames[:4] = np.arange(32, dtype=np.uint8)[:, None] * (8, 0, 0)
    frames[8] = (10, 220, 250)

    write_clip(clip_of(frames), path, video_format=GIF)

    assert frames_of_gif(path)[8].mean(axis=(0, 1)) == pytest.approx((10, 220, 250), abs=3)


@pytest.mark.parametrize("level", [0, 255])
def test_gif_of_one_colour(write_clip: Write, tmp_path: Path, level: int) -> None:
    path, frames = tmp_path / "a.gif", np.full((5, 16, 16, 3), level, np.uint8)

    write_clip(clip_of(frames), path, video_format=GIF)

    assert (frames_of_gif(path) == frames).all()


def test_gif_stores_what_stands_still_once(write_clip: Write, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8)

    for name, count in (("one", 1), ("many", 20)):
        frames = np.repeat(noise, count, axis=0)
        write_clip(clip_of(frames), tmp_path / f"{name}.gif", video_format=GIF)

    one, many = ((tmp_path / f"{name}.gif").stat().st_size for name in ("one", "many"))
    assert many < 1.5 * one
    assert len(frames_of_gif(tmp_path / "many.gif")) == 20


@pytest.mark.parametrize(
    ("video_format", "width", "height", "message"),
    [
        (MP4, 855, 480, "^width must be even for mp4, got 855$"),
        (MP4, 854, 481, "^height must be even for mp4, got 481$"),
    ],
)
def test_sizes_that_a_format_cannot_hold(
    write_clip: Write,
    tmp_path: Path,
    video_format: VideoFormat,
    width: int,
    height: int,
    message: str,
) -> None:
    with pytest.raises(InvalidRequest, match=message):
        check_size(video_format, width=width, height=height)
    with pytest.raises(InvalidRequest, match=message):
        write_clip(clip_of(scene(1, width, height)), tmp_path / "a", video_format=video_format)

    assert list(tmp_path.iterdir()) == []


def test_sizes_that_a_format_holds() -> None:
    check_size(MP4, width=854, height=480)
    check_size(GIF, width=855, height=481)


def test_rates_that_gif_players_do_not_play() -> None:
    check_fps(GIF, Fraction(50))
    check_fps(MP4, Fraction(120))
    with pytest.raises(InvalidRequest, match=r"^fps must be at most 50 for gif, got 60.0$"):
        check_fps(GIF, Fraction(60))


@pytest.mark.parametrize("video_format", VideoFormat)
@pytest.mark.parametrize(
    ("frames", "num_frames", "message"),
    [
        (scene(8), 9, "a clip of 9 frames came with 8"),
        (scene(8), 4, "a clip of 4 frames came with 6 or more"),
        (scene(0), 8, "a clip of 8 frames came with 0"),
        (scene(0), 0, "a clip of 0 frames came with 0"),
        (scene(8, 98), 8, r"uint8 of shape \(64, 96, 3\), got uint8 of shape \(64, 98, 3\)"),
        (scene(8).astype(np.float32), 8, "got float32 of shape"),
        (scene(8)[..., :1], 8, r"got uint8 of shape \(64, 96, 1\)"),
    ],
)
def test_a_clip_that_breaks_its_word(
    write_clip: Write,
    tmp_path: Path,
    video_format: VideoFormat,
    frames: Frames,
    num_frames: int,
    message: str,
) -> None:
    clip = replace(clip_of(frames), width=96, height=64, num_frames=num_frames)

    with pytest.raises(EncodingError, match=message):
        write_clip(clip, tmp_path / "a", video_format=video_format)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("video_format", VideoFormat)
def test_a_clip_that_is_cancelled(
    write_clip: Write, tmp_path: Path, video_format: VideoFormat
) -> None:
    def chunks() -> Iterator[Frames]:
        yield scene(4)
        raise GenerationCancelled

    with pytest.raises(GenerationCancelled):
        write_clip(
            replace(clip_of(scene(8)), chunks=chunks()), tmp_path / "a", video_format=video_format
        )

    assert list(tmp_path.iterdir()) == []
    assert child_pids() == []


def signalling(number: signal.Signals) -> Iterator[Frames]:
    """Chunks between which something happens to the ffmpeg that takes them."""
    yield scene(4, 512, 512)
    (pid,) = child_pids()
    os.kill(pid, number)
    yield scene(4, 512, 512)


def test_an_ffmpeg_that_is_killed(write_clip: Write, tmp_path: Path) -> None:
    clip = replace(clip_of(scene(8, 512, 512)), chunks=signalling(signal.SIGKILL))

    with pytest.raises(EncodingError, match=r"^ffmpeg failed: it ended with status -9"):
        write_clip(clip, tmp_path / "a.mp4", video_format=MP4)

    assert list(tmp_path.iterdir()) == []


def test_an_ffmpeg_that_hangs(ffmpeg: str, tmp_path: Path) -> None:
    clip = replace(clip_of(scene(8, 512, 512)), chunks=signalling(signal.SIGSTOP))
    options = replace(OPTIONS, timeout=0.5)

    with pytest.raises(EncodingError, match=r"^ffmpeg took longer than 0.5 s"):
        write(clip, tmp_path / "a.mp4", video_format=MP4, mp4=options, ffmpeg=ffmpeg)

    assert list(tmp_path.iterdir()) == []


def test_slow_frames_are_not_held_against_ffmpeg(ffmpeg: str, tmp_path: Path) -> None:
    """They may still be at work when the first ones are written."""

    def chunks() -> Iterator[Frames]:
        for frame in scene(4):
            sleep(0.3)
            yield frame[np.newaxis]

    clip, options = replace(clip_of(scene(4)), chunks=chunks()), replace(OPTIONS, timeout=1)

    write(clip, tmp_path / "a.mp4", video_format=MP4, mp4=options, ffmpeg=ffmpeg)

    assert (tmp_path / "a.mp4").stat().st_size > 0


def test_an_ffmpeg_that_complains_is_quoted(ffmpeg: str, tmp_path: Path) -> None:
    options = replace(OPTIONS, preset="no such preset")

    with pytest.raises(EncodingError, match=r"(?s)^ffmpeg failed: .*no such preset"):
        write(clip_of(scene()), tmp_path / "a.mp4", video_format=MP4, mp4=options, ffmpeg=ffmpeg)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("video_format", VideoFormat)
def test_a_folder_that_is_not_there(
    write_clip: Write, tmp_path: Path, video_format: VideoFormat
) -> None:
    with pytest.raises(EncodingError, match=r"No such file or directory"):
        write_clip(clip_of(scene()), tmp_path / "none" / "a", video_format=video_format)


def test_an_ffmpeg_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EncodingError, match=r"No such file or directory"):
        write(
            clip_of(scene()),
            tmp_path / "a.mp4",
            video_format=MP4,
            mp4=OPTIONS,
            ffmpeg=str(tmp_path / "ffmpeg"),
        )
