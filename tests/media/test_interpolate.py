import tracemalloc
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from src.errors import EncodingError, GenerationCancelled
from src.generation import Clip, Sound
from src.media.interpolate import interpolated

from .conftest import child_pids

Frames = npt.NDArray[np.uint8]


def disc(count: int, *, per_step: int = 1, width: int = 128, height: int = 96) -> Frames:
    """A disc with a soft edge that moves by 6 pixels for each `per_step` frames."""
    y, x = np.mgrid[:height, :width]
    frames = []
    for number in range(count):
        moved = 6 * number / per_step
        inside = np.clip(12.5 - np.hypot(x - 20 - moved, y - 40 - moved / 3), 0, 1)[..., None]
        frames.append((1 - inside) * (40, 80, 120) + inside * (230, 200, 60))
    return np.stack(frames).round().astype(np.uint8)


def clip(frames: Frames, chunks: Iterator[Frames] | None = None, **changed: Any) -> Clip:
    count, height, width, _ = frames.shape
    values: dict[str, Any] = {
        "width": width,
        "height": height,
        "num_frames": count,
        "fps": Fraction(8),
    }
    return Clip(**{**values, **changed}, chunks=chunks or iter([frames]))


def whole(clip: Clip, ffmpeg: str, *, factor: int = 2, timeout: float = 60) -> Frames:
    with interpolated(clip, factor=factor, timeout=timeout, ffmpeg=ffmpeg) as grown:
        frames = np.concatenate(list(grown.chunks))
    assert grown.num_frames == len(frames)
    return frames


def error_of(frames: npt.NDArray[np.generic], truth: Frames) -> float:
    return float(np.square(frames.astype(float) - truth).mean())


@pytest.mark.parametrize("factor", [2, 4])
def test_what_is_in_between_is_nearer_to_the_truth_than_a_cross_fade(
    ffmpeg: str, factor: int
) -> None:
    count = 5
    own = disc(count)
    truth = disc((count - 1) * factor + 1, per_step=factor)
    made = whole(clip(own), ffmpeg, factor=factor)

    for number in set(range(len(truth))) - set(range(0, len(truth), factor)):
        before, share = number // factor, number % factor / factor
        faded = own[before] * (1 - share) + own[before + 1] * share
        assert error_of(made[number], truth[number]) < 0.6 * error_of(faded, truth[number]), number


@pytest.mark.parametrize("factor", [2, 4, 16])
@pytest.mark.parametrize(
    ("count", "width", "height"), [(2, 64, 64), (3, 8, 8), (4, 10, 128), (3, 33, 47), (9, 70, 66)]
)
def test_every_size_and_count_comes_out_exact_with_its_own_frames_untouched(
    ffmpeg: str, factor: int, count: int, width: int, height: int
) -> None:
    own = np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)
    made = whole(clip(own), ffmpeg, factor=factor)

    assert made.shape == ((count - 1) * factor + 1, height, width, 3)
    assert np.array_equal(made[::factor], own)


def test_a_still_clip_stays_still(ffmpeg: str) -> None:
    own = np.repeat(disc(1), 4, axis=0)
    # To another colour space and back is not exact.
    assert np.abs(whole(clip(own), ffmpeg).astype(int) - own[0]).max() <= 2


def test_where_a_chunk_ends_makes_no_difference(ffmpeg: str) -> None:
    own = disc(7)
    pieces = iter([own[:1], own[1:4], own[4:]])

    assert np.array_equal(whole(clip(own, pieces), ffmpeg), whole(clip(own), ffmpeg))


def test_the_clip_runs_as_long_as_before_and_keeps_its_sound(ffmpeg: str) -> None:
    sound = Sound(samples=np.zeros((2, 100), np.float32), rate=100)
    before = clip(disc(3), fps=Fraction(25, 2), sound=sound, enhanced_prompt="a disc")
    with interpolated(before, factor=4, timeout=60, ffmpeg=ffmpeg) as grown:
        assert (grown.num_frames, grown.fps) == (9, Fraction(50))
        assert (grown.width, grown.height) == (128, 96)
        assert grown.sound is sound
        assert grown.enhanced_prompt == "a disc"


def test_frames_come_while_the_clip_is_read_and_few_are_held(ffmpeg: str) -> None:
    count, width, height = 120, 160, 120
    frame = np.zeros((1, height, width, 3), np.uint8)
    read = 0

    def counted() -> Iterator[Frames]:
        nonlocal read
        for _ in range(count):
            read += 1
            yield frame.copy()

    many = clip(np.broadcast_to(frame, (count, height, width, 3)), counted())
    tracemalloc.start()
    try:
        with interpolated(many, factor=4, timeout=60, ffmpeg=ffmpeg) as grown:
            next(grown.chunks)
            assert read < count / 2
            assert sum(len(chunk) for chunk in grown.chunks) == grown.num_frames - 4
        assert tracemalloc.get_traced_memory()[1] < 0.4 * grown.num_frames * frame.nbytes
    finally:
        tracemalloc.stop()


def cancelled(frames: Frames) -> Iterator[Frames]:
    yield frames[:2]
    raise GenerationCancelled


def test_what_the_clip_raises_comes_through_and_ffmpeg_is_gone(ffmpeg: str) -> None:
    own = disc(5)
    with (
        pytest.raises(GenerationCancelled) as kept,
        interpolated(clip(own, cancelled(own)), factor=2, timeout=60, ffmpeg=ffmpeg) as grown,
    ):
        list(grown.chunks)

    assert kept.value is not None
    assert child_pids() == []


def test_whoever_stops_half_way_leaves_no_process_even_while_the_error_is_held(
    ffmpeg: str,
) -> None:
    kept = None
    try:
        with interpolated(clip(disc(40)), factor=2, timeout=60, ffmpeg=ffmpeg) as grown:
            next(grown.chunks)
            assert len(child_pids()) == 1
            raise OSError("disk full")
    except OSError as error:
        kept = error

    assert kept is not None
    assert child_pids() == []


def test_a_clip_with_too_few_frames_is_an_error(ffmpeg: str) -> None:
    own = disc(3)
    with pytest.raises(EncodingError, match="5 frames came with 3"):
        whole(clip(own, num_frames=5), ffmpeg)


def test_time_that_runs_out_is_said(ffmpeg: str) -> None:
    own = disc(20, width=640, height=480)
    with pytest.raises(EncodingError, match=r"interpolation took longer than 0\.2 s"):
        whole(clip(own), ffmpeg, timeout=0.2)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo no such filter >&2; exit 8", "interpolation failed: .*no such filter"),
        ("cat > /dev/null", "interpolation left 4 frames out"),
    ],
)
def test_an_ffmpeg_that_fails_or_gives_too_little_is_said(
    tmp_path_factory: pytest.TempPathFactory, script: str, words: str
) -> None:
    fake = tmp_path_factory.mktemp("bin") / "ffmpeg"
    fake.write_text(f"#!/bin/sh\nPATH=/bin:/usr/bin\n{script}\n", "utf-8")
    fake.chmod(0o755)
    with pytest.raises(EncodingError, match=words):
        whole(clip(disc(5)), str(fake))


def test_each_chunk_is_a_frame_and_what_follows_it(ffmpeg: str) -> None:
    with interpolated(clip(disc(3)), factor=4, timeout=60, ffmpeg=ffmpeg) as grown:
        assert [len(chunk) for chunk in grown.chunks] == [4, 4, 1]
