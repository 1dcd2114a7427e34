"""Finished videos of noise over moving texture, which is hard to compress, made to fit."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageSequence

from src.errors import EncodingError, GenerationCancelled
from src.generation import Clip, Sound, VideoFormat
from src.media.encode import write
from src.media.mp4 import Mp4Options
from src.media.smaller import smaller
from tests.probe import probe

from .conftest import RunFfmpeg, child_pids
from .test_sound import dominant, heard, tones

Frames = npt.NDArray[np.uint8]
Smaller = Callable[..., tuple[int, int]]

MP4, GIF = VideoFormat.MP4, VideoFormat.GIF
OPTIONS = Mp4Options(crf=18, preset="superfast", timeout=60)
WIDTH, HEIGHT, COUNT = 192, 112, 24


def texture(count: int = COUNT, *, noise: int = 25) -> Frames:
    """Soft blobs that drift, and noise that is another in each frame."""
    rng = np.random.default_rng(0)
    seeds = rng.integers(0, 256, (HEIGHT // 8, WIDTH // 4, 3), np.uint8)
    blobs = Image.fromarray(seeds).resize((2 * WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    wide = np.asarray(blobs).astype(int)
    frames = np.empty((count, HEIGHT, WIDTH, 3), np.uint8)
    for number, frame in enumerate(frames):
        grain = rng.integers(-noise, noise + 1, frame.shape)
        frame[:] = np.clip(wide[:, 2 * number : 2 * number + WIDTH] + grain, 0, 255)
    return frames


def clip_of(frames: Frames, *, fps: Fraction = Fraction(12), sound: Sound | None = None) -> Clip:
    return Clip(
        width=WIDTH,
        height=HEIGHT,
        num_frames=len(frames),
        fps=fps,
        chunks=iter([frames]),
        sound=sound,
    )


@pytest.fixture
def finished(ffmpeg: str, tmp_path: Path) -> Callable[..., Path]:
    """A video as the worker writes it, in a folder of its own."""

    def make(clip: Clip, video_format: VideoFormat = MP4) -> Path:
        path = tmp_path / "finished" / f"whole.{video_format}"
        path.parent.mkdir()
        write(clip, path, video_format=video_format, mp4=OPTIONS, ffmpeg=ffmpeg)
        return path

    return make


@pytest.fixture
def make_smaller(ffmpeg: str) -> Smaller:
    return partial(smaller, timeout=60, ffmpeg=ffmpeg)


def decoded(path: Path) -> Frames:
    with Image.open(path) as image:
        return np.stack(
            [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]
        )


def delays_of(path: Path) -> list[int]:
    with Image.open(path) as image:
        return [frame.info["duration"] for frame in ImageSequence.Iterator(image)]


@pytest.mark.parametrize(
    ("count", "share"), [(COUNT, 0.9), (COUNT, 0.5), (COUNT, 0.05), (5, 0.9), (5, 0.2), (1, 0.5)]
)
@pytest.mark.parametrize("noise", [25, 120])
def test_an_mp4_is_made_to_fit_at_its_own_size(
    finished: Callable[..., Path],
    make_smaller: Smaller,
    tmp_path: Path,
    share: float,
    count: int,
    noise: int,
) -> None:
    path, target = finished(clip_of(texture(count, noise=noise))), tmp_path / "a.mp4"
    limit = int(path.stat().st_size * share)

    size = make_smaller(path, target, max_bytes=limit, video_format=MP4)

    assert limit / 3 < target.stat().st_size <= limit
    assert size == (WIDTH, HEIGHT)
    assert probe(target) == replace(probe(path), size=size)
    assert probe(target).frames == count
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.mp4", "finished"]


@pytest.mark.parametrize("fps", [Fraction(8), Fraction(24000, 1001), Fraction(25, 2)])
def test_the_frames_of_an_mp4_keep_their_times_and_colours(
    finished: Callable[..., Path],
    make_smaller: Smaller,
    run_ffmpeg: RunFfmpeg,
    tmp_path: Path,
    fps: Fraction,
) -> None:
    path, target = finished(clip_of(texture(), fps=fps)), tmp_path / "a.mp4"

    make_smaller(path, target, max_bytes=path.stat().st_size // 2, video_format=MP4)

    run_ffmpeg("-i", target, "-c", "copy", "-f", "framecrc", tmp_path / "packets")
    lines = (tmp_path / "packets").read_text().splitlines()
    unit = next(Fraction(line.split(": ")[1]) for line in lines if line.startswith("#tb 0"))
    times = sorted(int(line.split(",")[2]) * unit for line in lines if not line.startswith("#"))
    assert times == [number / fps for number in range(COUNT)]
    assert "yuv420p(tv, bt709, progressive)" in run_ffmpeg("-i", target)
    data = target.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_less_room_costs_quality(
    finished: Callable[..., Path], make_smaller: Smaller, run_ffmpeg: RunFfmpeg, tmp_path: Path
) -> None:
    path = finished(clip_of(texture()))
    likeness = []
    for share in (0.8, 0.1):
        target = tmp_path / f"{share}.mp4"
        make_smaller(path, target, max_bytes=int(path.stat().st_size * share), video_format=MP4)
        said = run_ffmpeg(
            "-loglevel", "info", "-i", target, "-i", path, "-lavfi", "psnr", "-f", "null", "-"
        )
        likeness.append(float(said.split("average:")[1].split()[0]))

    assert likeness[0] > likeness[1] + 3
    assert likeness[1] > 22


def test_sound_is_kept_as_it_is_where_it_takes_little(
    finished: Callable[..., Path], make_smaller: Smaller, ffmpeg: str, tmp_path: Path
) -> None:
    quiet = tones(440.0, rate=24_000, seconds=2)
    path = finished(
        clip_of(
            texture(noise=80), sound=replace(quiet, samples=(quiet.samples / 99).astype(np.float32))
        )
    )
    target = tmp_path / "a.mp4"

    make_smaller(path, target, max_bytes=path.stat().st_size // 2, video_format=MP4)

    assert np.array_equal(heard(target, 1, ffmpeg), heard(path, 1, ffmpeg))


def test_sound_that_takes_too_much_is_encoded_in_less(
    finished: Callable[..., Path], make_smaller: Smaller, ffmpeg: str, tmp_path: Path
) -> None:
    hiss = np.random.default_rng(0).uniform(-0.05, 0.05, (2, 96_000)).astype(np.float32)
    sound = tones(440.0, 1000.0, rate=48_000, seconds=2)
    sound = replace(sound, samples=(sound.samples + hiss).astype(np.float32))
    path, target = finished(clip_of(texture(noise=2), sound=sound)), tmp_path / "a.mp4"
    limit = path.stat().st_size // 3

    make_smaller(path, target, max_bytes=limit, video_format=MP4)

    assert target.stat().st_size <= limit
    samples = heard(target, 2, ffmpeg)
    assert samples.shape[1] == pytest.approx(96_000, abs=2048)
    assert dominant(samples, 48_000) == pytest.approx((440.0, 1000.0), abs=2)
    assert (probe(target).frames, probe(target).fps) == (COUNT, 12.0)


@pytest.mark.parametrize("share", [0.9, 0.6])
def test_a_gif_loses_colours_first(
    finished: Callable[..., Path], make_smaller: Smaller, tmp_path: Path, share: float
) -> None:
    path, target = finished(clip_of(texture(noise=4)), GIF), tmp_path / "a.gif"
    limit = int(path.stat().st_size * share)

    size = make_smaller(path, target, max_bytes=limit, video_format=GIF)

    assert target.stat().st_size <= limit
    assert size == (WIDTH, HEIGHT)
    assert decoded(target).shape == (COUNT, HEIGHT, WIDTH, 3)
    colours = [len(np.unique(decoded(file).reshape(-1, 3), axis=0)) for file in (path, target)]
    assert colours[1] <= 128 < colours[0]


@pytest.mark.parametrize("share", [0.25, 0.1])
@pytest.mark.parametrize("fps", [Fraction(8), Fraction(24)])
def test_a_gif_loses_pixels_where_that_does_not_do(
    finished: Callable[..., Path],
    make_smaller: Smaller,
    tmp_path: Path,
    share: float,
    fps: Fraction,
) -> None:
    path, target = finished(clip_of(texture(), fps=fps), GIF), tmp_path / "a.gif"
    limit = int(path.stat().st_size * share)

    width, height = make_smaller(path, target, max_bytes=limit, video_format=GIF)

    assert limit / 2 < target.stat().st_size <= limit
    assert WIDTH / 4 <= width < WIDTH
    assert width / height == pytest.approx(WIDTH / HEIGHT, rel=0.05)
    assert decoded(target).shape == (COUNT, height, width, 3)
    assert delays_of(target) == delays_of(path)
    small = np.stack(
        [np.asarray(Image.fromarray(frame).resize((width, height))) for frame in decoded(path)]
    )
    assert np.abs(decoded(target).astype(int) - small).mean() < 20


def test_a_gif_that_fits_keeps_its_size(
    finished: Callable[..., Path], make_smaller: Smaller, tmp_path: Path
) -> None:
    path = finished(clip_of(texture()), GIF)

    size = make_smaller(
        path, tmp_path / "a.gif", max_bytes=2 * path.stat().st_size, video_format=GIF
    )

    assert size == (WIDTH, HEIGHT)


@pytest.mark.parametrize(
    ("video_format", "limit", "message"),
    [
        (
            MP4,
            1500,
            r"^a video of 192x112 pixels and 24 frames does not fit into 1500 bytes: "
            r"0\.00\d\d bits a pixel are left, at least 0\.01 are needed$",
        ),
        (MP4, 100, r": 0\.0000 bits a pixel are left"),
        (
            GIF,
            9_000,
            r"^a GIF of 192x112 pixels and 24 frames does not fit into 9000 bytes: "
            r"it would have 0\.\d\d of its width, at least 0\.25 are needed$",
        ),
        (GIF, 100, r"it would have 0\.\d\d of its width"),
    ],
)
def test_where_nothing_worth_seeing_would_be_left_that_is_said(
    finished: Callable[..., Path],
    make_smaller: Smaller,
    tmp_path: Path,
    video_format: VideoFormat,
    limit: int,
    message: str,
) -> None:
    path = finished(clip_of(texture()), video_format)

    with pytest.raises(EncodingError, match=message):
        make_smaller(path, tmp_path / "a", max_bytes=limit, video_format=video_format)

    assert [entry.name for entry in tmp_path.iterdir()] == ["finished"]


def test_what_x264_cannot_draw_in_so_little_is_said_in_a_sentence(
    finished: Callable[..., Path], make_smaller: Smaller, tmp_path: Path
) -> None:
    """A first frame takes more than those that follow it, and here is no other."""
    path = finished(clip_of(texture(1, noise=5)))
    message = (
        r"^a video of 192x112 pixels and 1 frame\w* .* bytes: (x264 does not|it came to)[^\n]*$"
    )

    with pytest.raises(EncodingError, match=message):
        make_smaller(path, tmp_path / "a.mp4", max_bytes=path.stat().st_size // 5, video_format=MP4)

    assert [entry.name for entry in tmp_path.iterdir()] == ["finished"]


@pytest.mark.parametrize("video_format", VideoFormat)
@pytest.mark.parametrize("content", [b"", b"GIF89a nothing", b"\0\0\0\x18ftypisom nothing"])
def test_a_file_that_is_no_video_is_an_error(
    make_smaller: Smaller, tmp_path: Path, video_format: VideoFormat, content: bytes
) -> None:
    path = tmp_path / "broken"
    path.write_bytes(content)

    with pytest.raises(EncodingError):
        make_smaller(path, tmp_path / "a", max_bytes=1000, video_format=video_format)

    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("video_format", VideoFormat)
def test_a_job_that_is_told_to_stop_leaves_nothing(
    finished: Callable[..., Path], make_smaller: Smaller, tmp_path: Path, video_format: VideoFormat
) -> None:
    path = finished(clip_of(texture()), video_format)
    stop = threading.Event()
    stop.set()

    with pytest.raises(GenerationCancelled):
        make_smaller(
            path,
            tmp_path / "a",
            max_bytes=path.stat().st_size // 2,
            video_format=video_format,
            stop=stop,
        )

    assert [entry.name for entry in tmp_path.iterdir()] == ["finished"]


def slow_ffmpeg(folder: Path, ffmpeg: str) -> str:
    """An ffmpeg that measures, and then never comes to an end."""
    script = folder / "ffmpeg"
    script.write_text(
        f'#!/bin/sh\ncase "$*" in *framecrc*) exec {ffmpeg} "$@";; esac\n'
        "while true; do echo progress=continue; /bin/sleep 0.05; done\n"
    )
    script.chmod(0o755)
    return str(script)


def test_a_job_that_is_told_to_stop_while_ffmpeg_works_ends_soon(
    finished: Callable[..., Path], ffmpeg: str, tmp_path: Path
) -> None:
    path, stop = finished(clip_of(texture())), threading.Event()
    failing: dict[str, Any] = {"max_bytes": 100_000, "video_format": MP4, "stop": stop}
    slow = slow_ffmpeg(path.parent, ffmpeg)
    timer = threading.Timer(0.3, stop.set)
    timer.start()

    with pytest.raises(GenerationCancelled):
        smaller(path, tmp_path / "a.mp4", timeout=60, ffmpeg=slow, **failing)

    timer.join()
    assert child_pids() == []


@pytest.mark.parametrize("video_format", VideoFormat)
def test_the_time_for_all_of_it_is_bounded(
    finished: Callable[..., Path], ffmpeg: str, tmp_path: Path, video_format: VideoFormat
) -> None:
    path = finished(clip_of(texture()), video_format)
    slow = slow_ffmpeg(path.parent, ffmpeg)
    timeout = 0.5 if video_format is MP4 else 0.01  # no ffmpeg works on a GIF
    before = time.monotonic()

    with pytest.raises(EncodingError, match=rf"^ffmpeg took longer than {timeout:g} s$"):
        smaller(
            path,
            tmp_path / "a",
            max_bytes=path.stat().st_size // 9,
            video_format=video_format,
            timeout=timeout,
            ffmpeg=slow,
        )

    assert time.monotonic() - before < 30
    assert [entry.name for entry in tmp_path.iterdir()] == ["finished"]
