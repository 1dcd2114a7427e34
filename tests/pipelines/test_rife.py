"""RIFE's arithmetic on weights set by hand, and clips through the tiny network."""

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from src.bootstrap import build_media
from src.config import Settings
from src.errors import ModelNotLoaded, OutOfMemory
from src.generation import Clip, Parameters, Sound, Sources, Task, VideoFormat
from src.manifest import ToolKind, load_manifest
from src.pipelines.rife import Rife
from src.pipelines.rife_network import IFNet, padded, warped
from tests.probe import probe

from .conftest import Studio

Frames = npt.NDArray[np.uint8]
CPU = torch.device("cpu")


def noise(count: int, width: int = 64, height: int = 64) -> Frames:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)


def clip(frames: Frames, chunks: Iterator[Frames] | None = None, **changed: Any) -> Clip:
    count, height, width, _ = frames.shape
    values = {"width": width, "height": height, "num_frames": count, "fps": Fraction(8)} | changed
    return Clip(**values, chunks=chunks or iter([frames]))


def wanted(exp: int = 1, scale: float | None = None) -> Parameters:
    return Parameters(
        enable_frame_interpolation=True,
        frame_interpolation_exp=exp,
        frame_interpolation_scale=scale,
    )


def whole(rife: Rife, clip: Clip, parameters: Parameters) -> Frames:
    grown = rife.interpolated(clip, parameters)
    frames = np.concatenate(list(grown.chunks))
    assert len(frames) == grown.num_frames
    return frames


@pytest.fixture(scope="module")
def rife(tiny_models: Path) -> Rife:
    tool = load_manifest().tool(ToolKind.FRAME_INTERPOLATION)
    assert tool is not None
    return Rife(tiny_models / tool.repo, device=CPU, dtype=torch.float32)


def by_hand(
    folder: Path, *, flow: tuple[float, ...] = (0, 0, 0, 0), mask: float = 0, **config: Any
) -> Rife:
    """A network whose first block always says this flow, and whose last this mask."""
    network = IFNet(**{"widths": (8, 8, 8, 8), "encoder_width": 4, **config})
    with torch.no_grad():
        for number in range(4):
            layer: Any = network.get_submodule(f"block{number}.lastconv.0")
            layer.weight.zero_()
            layer.bias.zero_()
            # Four pixels in the place of one: each channel of the result has four biases.
            if number == 0:  # which sees an eighth of the frame, and counts its pixels
                layer.bias[:16] = torch.tensor(flow).repeat_interleave(4) / 8
            if number == 3:
                layer.bias[16:20] = mask
    network.save_pretrained(folder)
    return Rife(folder, device=CPU, dtype=torch.float32)


@pytest.mark.parametrize(("x", "y"), [(3, 0), (0, -2), (-5, 4), (2.5, 0)])
def test_a_flow_takes_each_pixel_from_so_far_away(x: float, y: float) -> None:
    image = torch.rand(1, 3, 20, 30, generator=torch.Generator().manual_seed(0))
    flow = torch.tensor([x, y]).view(1, 2, 1, 1).expand(1, 2, 20, 30)
    moved = warped(image, flow)

    def at(column: float, row: float) -> torch.Tensor:
        column, row = min(max(column, 0), 29), min(max(row, 0), 19)
        left, share = int(column), column % 1
        right = min(left + 1, 29)
        return image[0, :, int(row), left] * (1 - share) + image[0, :, int(row), right] * share

    for row in range(20):
        for column in range(30):
            expected = at(column + x, row + y)
            assert torch.allclose(moved[0, :, row, column], expected, atol=1e-4)


def test_a_known_motion_gives_the_frame_between(tmp_path: Path) -> None:
    """A picture that moves by 6 pixels to the right: half-way it has moved by 3."""
    picture = noise(1, width=96)[0]
    own = np.stack([picture[:, 12:76], picture[:, 6:70]])
    truth = picture[:, 9:73]
    rife = by_hand(tmp_path, flow=(-3, 0, 3, 0))
    made = whole(rife, clip(own), wanted())

    assert np.array_equal(made[::2], own)
    assert np.abs(made[1, :, 3:-3].astype(int) - truth[:, 3:-3]).max() <= 1
    faded = own.astype(float).mean(axis=0)
    assert np.square(made[1] - truth.astype(float)).mean() < 0.05 * np.square(faded - truth).mean()


@pytest.mark.parametrize(("scale", "factor"), [(0.5, 2.0), (1.0, 1.0), (2.0, 0.5)])
def test_the_scale_counts_pixels_of_a_smaller_or_a_larger_picture(
    tmp_path: Path, scale: float, factor: float
) -> None:
    own = noise(2, width=128, height=128)
    rife = by_hand(tmp_path, flow=(4, 0, 4, 0), mask=100)
    made = whole(rife, clip(own), wanted(scale=scale))
    moved = int(4 * factor)

    assert np.abs(made[1, :, : -2 * moved].astype(int) - own[0, :, moved:-moved]).max() <= 1


@pytest.mark.parametrize(("mask", "nearer"), [(100, 0), (-100, 1)])
def test_the_mask_says_which_of_two_frames_is_seen(
    tmp_path: Path, mask: float, nearer: int
) -> None:
    own = noise(2)
    made = whole(by_hand(tmp_path, mask=mask), clip(own), wanted())

    assert np.abs(made[1].astype(int) - own[nearer]).max() <= 1


def test_between_two_frames_that_are_the_same_lies_the_same(tmp_path: Path) -> None:
    own = np.repeat(noise(1, width=70, height=50), 3, axis=0)

    assert np.abs(whole(by_hand(tmp_path), clip(own), wanted(2)).astype(int) - own[0]).max() <= 1


@pytest.mark.parametrize("exp", [1, 3])
@pytest.mark.parametrize(("count", "width", "height"), [(2, 64, 64), (3, 8, 8), (2, 70, 33)])
@pytest.mark.parametrize("scale", [None, 0.5, 0.3, 2.0, 0.001])
def test_every_size_and_count_comes_out_exact_with_its_own_frames_untouched(
    rife: Rife, exp: int, count: int, width: int, height: int, scale: float | None
) -> None:
    own = noise(count, width, height)
    made = whole(rife, clip(own), wanted(exp, scale))

    assert made.shape == ((count - 1) * 2**exp + 1, height, width, 3)
    assert np.array_equal(made[:: 2**exp], own)
    assert not np.array_equal(made[1], own[0])


def test_each_moment_is_a_frame_of_its_own_and_nothing_is_left_to_chance(rife: Rife) -> None:
    own = noise(2)
    made = whole(rife, clip(own), wanted(2))

    assert len({frame.tobytes() for frame in made}) == 5
    assert np.array_equal(made, whole(rife, clip(own), wanted(2)))
    assert not np.array_equal(made, whole(rife, clip(own), wanted(2, scale=0.5)))


def test_a_clip_that_wants_none_or_has_one_frame_stays(rife: Rife) -> None:
    several, one = clip(noise(3)), clip(noise(1))

    assert rife.interpolated(several, Parameters()) is several
    assert rife.interpolated(one, wanted()) is one


def test_the_clip_runs_as_long_as_before_and_is_read_frame_by_frame(rife: Rife) -> None:
    own, read = noise(4), 0

    def counted() -> Iterator[Frames]:
        nonlocal read
        for frame in own:
            read += 1
            yield frame[None]

    sound = Sound(samples=np.zeros((2, 100), np.float32), rate=100)
    grown = rife.interpolated(clip(own, counted(), sound=sound, enhanced_prompt="x"), wanted(2))
    assert (grown.num_frames, grown.fps, grown.sound) == (13, Fraction(32), sound)
    assert grown.enhanced_prompt == "x"
    assert read == 0
    next(grown.chunks)
    assert read == 1
    next(grown.chunks)
    assert read == 2


@pytest.mark.parametrize(
    "break_it",
    [
        lambda folder: (folder / "config.json").unlink(),
        lambda folder: (folder / "config.json").write_text(json.dumps({"widths": [8]})),
        lambda folder: (folder / "config.json").write_text(json.dumps({"depth": 8})),
        lambda folder: (folder / "model.safetensors").write_bytes(b"cut short"),
    ],
)
def test_weights_that_cannot_be_read_are_named_before_a_frame_is(
    tmp_path: Path, break_it: Any
) -> None:
    rife = by_hand(tmp_path)
    break_it(tmp_path)
    with pytest.raises(ModelNotLoaded, match=str(tmp_path)):
        rife.interpolated(clip(noise(2)), wanted())


def test_memory_that_runs_out_is_named(rife: Rife, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_out(*_inputs: Any, **_keywords: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    grown = rife.interpolated(clip(noise(2)), wanted())
    monkeypatch.setattr(IFNet, "between", run_out)
    with pytest.raises(OutOfMemory, match="CUDA out of memory"):
        list(grown.chunks)


def test_half_precision_sees_the_same_to_a_shade(rife: Rife, tiny_models: Path) -> None:
    """What a GPU computes in, on the CPU: only the convolutions are in it."""
    tool = load_manifest().tool(ToolKind.FRAME_INTERPOLATION)
    assert tool is not None
    half = Rife(tiny_models / tool.repo, device=CPU, dtype=torch.float16)
    own = noise(2)
    made, exact = (whole(each, clip(own), wanted()) for each in (half, rife))

    assert np.abs(made.astype(int) - exact).max() <= 3


@pytest.mark.parametrize(
    ("size", "scale", "grown"),
    [
        ((64, 64), 1.0, (64, 64)),
        ((65, 1), 1.0, (96, 32)),
        ((64, 64), 0.5, (64, 64)),
        ((65, 96), 0.5, (128, 128)),
        ((65, 96), 0.3, (128, 128)),
        ((10, 10), 0.0001, (128, 128)),
        ((33, 32), 4.0, (64, 32)),
    ],
)
def test_a_frame_is_drawn_out_so_that_every_block_sees_whole_pixels(
    size: tuple[int, int], scale: float, grown: tuple[int, int]
) -> None:
    frame = torch.rand(1, 3, *size)
    larger = padded(frame, scale)

    assert larger.shape[2:] == grown
    assert torch.equal(larger[:, :, : size[0], : size[1]], frame)
    assert torch.equal(larger[:, :, -1, -1], frame[:, :, -1, -1])


@pytest.mark.real
def test_a_job_of_the_room_has_the_frames_in_between_in_its_file(
    studio: Studio, tmp_path: Path
) -> None:
    plain = studio.frames("tiny", Task.TEXT2VIDEO)
    request = studio.request(
        "tiny", Task.TEXT2VIDEO, enable_frame_interpolation=True, frame_interpolation_exp=2
    )
    grown = studio.clip(request)
    chunks = list(grown.chunks)
    frames = np.concatenate(chunks)
    assert (grown.num_frames, grown.fps) == (9, Fraction(32))
    assert np.array_equal(frames[::4], plain)

    media = build_media(Settings())
    path = tmp_path / "clip.mp4"
    again = studio.clip(request)
    with media.interpolated(again, num_frames=request.parameters.output_shape[2]) as whole_clip:
        assert whole_clip is again
        media.write(whole_clip, path, video_format=VideoFormat.MP4)
    probed = probe(path)
    assert (probed.frames, probed.fps) == (9, 32.0)


@pytest.mark.real
def test_without_rife_ffmpeg_puts_them_there_as_the_worker_asks_it_to(
    bare_room: Any, tmp_path: Path, studio: Studio
) -> None:
    request = studio.request("tiny", Task.TEXT2VIDEO, enable_frame_interpolation=True)
    made = bare_room.generate(
        bare_room.load(request), request, on_step=lambda *_: None, sources=Sources()
    )
    assert made.num_frames == 3
    media = build_media(Settings())
    path = tmp_path / "clip.mp4"
    with media.interpolated(made, num_frames=request.parameters.output_shape[2]) as grown:
        media.write(grown, path, video_format=VideoFormat.MP4)
    probed = probe(path)
    assert (probed.frames, probed.fps) == (5, 16.0)
