"""Sound in an mp4: probed and decoded back by ffmpeg."""

import re
import subprocess
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from src.errors import EncodingError, GenerationCancelled
from src.generation import Clip, Sound, VideoFormat
from src.media.encode import write
from src.media.mp4 import Mp4Options
from tests.probe import probe

from .conftest import RunFfmpeg

Floats = npt.NDArray[np.float32]

OPTIONS = Mp4Options(crf=20, preset="superfast", timeout=60)
#: Frames and frames a second of the clips here: one and a half seconds.
COUNT, FPS = 12, Fraction(8)


def silent_clip(count: int = COUNT, fps: Fraction = FPS) -> Clip:
    frames = np.random.default_rng(0).integers(0, 256, (count, 64, 96, 3), np.uint8)
    return Clip(width=96, height=64, num_frames=count, fps=fps, chunks=iter([frames]))


def tones(*hertz: float, rate: int, seconds: float = 1.5) -> Sound:
    """A tone for each channel."""
    times = np.arange(round(rate * seconds)) / rate
    waves = np.stack([np.sin(2 * np.pi * tone * times) / 2 for tone in hertz])
    return Sound(samples=waves.astype(np.float32), rate=rate)


def written(
    clip: Clip, folder: Path, ffmpeg: str, video_format: VideoFormat = VideoFormat.MP4
) -> Path:
    path = folder / "a.mp4"
    write(clip, path, video_format=video_format, mp4=OPTIONS, ffmpeg=ffmpeg)
    return path


def heard(path: Path, channels: int, ffmpeg: str) -> Floats:
    """What a player plays, shape (channels, samples)."""
    arguments = ("-i", path, "-map", "0:a", "-f", "f32le", "-")
    done = subprocess.run([ffmpeg, *arguments], capture_output=True, check=True)
    return np.frombuffer(done.stdout, np.float32).reshape(-1, channels).T


def dominant(samples: Floats, rate: int) -> list[float]:
    """The loudest frequency of each channel, in hertz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.shape[1])))
    return [float(loudest) * rate / samples.shape[1] for loudest in spectrum.argmax(axis=1)]


@pytest.mark.parametrize("rate", [24_000, 48_000])
@pytest.mark.parametrize(
    ("hertz", "layout"), [((440.0,), "mono"), ((440.0, 1000.0), "stereo")], ids=["mono", "stereo"]
)
def test_sound_is_heard_beside_the_frames(
    ffmpeg: str,
    run_ffmpeg: RunFfmpeg,
    tmp_path: Path,
    rate: int,
    hertz: tuple[float, ...],
    layout: str,
) -> None:
    sound = tones(*hertz, rate=rate)

    path = written(replace(silent_clip(), sound=sound), tmp_path, ffmpeg)

    assert re.search(rf"Audio: aac .*, {rate} Hz, {layout}, ", run_ffmpeg("-i", path))
    assert (probe(path).codec, probe(path).frames, probe(path).fps) == ("h264", COUNT, 8.0)
    samples = heard(path, len(hertz), ffmpeg)
    assert dominant(samples, rate) == pytest.approx(hertz, abs=2)
    middle = slice(rate // 2, rate)
    assert np.corrcoef(samples[:, middle].ravel(), sound.samples[:, middle].ravel())[0, 1] > 0.99
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_plays_before_it_is_loaded(ffmpeg: str, tmp_path: Path) -> None:
    clip = replace(silent_clip(), sound=tones(440.0, rate=24_000))

    data = written(clip, tmp_path, ffmpeg).read_bytes()

    assert data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize(
    ("count", "fps"), [(12, Fraction(8)), (7, Fraction(24000, 1001)), (1, Fraction(24))]
)
def test_sound_ends_with_the_last_frame(
    ffmpeg: str, tmp_path: Path, count: int, fps: Fraction
) -> None:
    clip = replace(silent_clip(count, fps), sound=tones(440.0, rate=24_000, seconds=9))

    path = written(clip, tmp_path, ffmpeg)

    assert heard(path, 1, ffmpeg).shape[1] == int(count / fps * 24_000)


def test_sound_that_ends_early_is_left_short(ffmpeg: str, tmp_path: Path) -> None:
    clip = replace(silent_clip(), sound=tones(440.0, rate=24_000, seconds=0.5))

    path = written(clip, tmp_path, ffmpeg)

    assert heard(path, 1, ffmpeg).shape[1] == 12_000
    assert probe(path).frames == COUNT


def test_the_same_sound_gives_the_same_file(ffmpeg: str, tmp_path: Path) -> None:
    files = []
    for name in "ab":
        folder = tmp_path / name
        folder.mkdir()
        clip = replace(silent_clip(), sound=tones(440.0, 990.0, rate=48_000))
        files.append(written(clip, folder, ffmpeg).read_bytes())

    assert files[0] == files[1]


def test_too_loud_a_sound_is_held_within_its_range(ffmpeg: str, tmp_path: Path) -> None:
    loud = tones(440.0, rate=24_000)
    clip = replace(silent_clip(), sound=replace(loud, samples=loud.samples * 8))

    samples = heard(written(clip, tmp_path, ffmpeg), 1, ffmpeg)

    assert np.abs(samples).max() < 1.3


@pytest.mark.parametrize("sound", [None, Sound(samples=np.zeros((2, 0), np.float32), rate=24_000)])
def test_a_clip_without_sound_has_no_stream_for_it(
    ffmpeg: str, run_ffmpeg: RunFfmpeg, tmp_path: Path, sound: Sound | None
) -> None:
    path = written(replace(silent_clip(), sound=sound), tmp_path, ffmpeg)

    assert "Video: h264" in run_ffmpeg("-i", path)
    assert "Audio:" not in run_ffmpeg("-i", path)


def test_a_gif_has_no_sound(ffmpeg: str, run_ffmpeg: RunFfmpeg, tmp_path: Path) -> None:
    clip = replace(silent_clip(), sound=tones(440.0, rate=24_000))

    path = written(clip, tmp_path, ffmpeg, video_format=VideoFormat.GIF)

    assert "Audio:" not in run_ffmpeg("-i", path)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        (np.zeros((3, 9)), 24_000, r"one or two channels .* shape \(3, 9\)"),
        (np.zeros(9), 24_000, r"one or two channels .* shape \(9,\)"),
        (np.zeros((1, 9)), 0, "at 0 a second"),
        (np.full((1, 9), np.nan), 24_000, "must be numbers"),
    ],
)
def test_a_sound_that_is_none(
    ffmpeg: str, tmp_path: Path, samples: Floats, rate: int, message: str
) -> None:
    clip = replace(silent_clip(), sound=Sound(samples=samples, rate=rate))

    with pytest.raises(EncodingError, match=message):
        written(clip, tmp_path, ffmpeg)

    assert list(tmp_path.iterdir()) == []


def test_a_cancelled_clip_leaves_no_sound_behind(ffmpeg: str, tmp_path: Path) -> None:
    def chunks() -> Any:
        yield np.zeros((4, 64, 96, 3), np.uint8)
        assert len(list(tmp_path.glob("*.f32le"))) == 1
        raise GenerationCancelled

    clip = replace(silent_clip(), sound=tones(440.0, rate=24_000), chunks=chunks())

    with pytest.raises(GenerationCancelled):
        written(clip, tmp_path, ffmpeg)

    assert list(tmp_path.iterdir()) == []
