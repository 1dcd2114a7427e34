import numpy as np
import pytest
import torch
from PIL import Image

from src.errors import GenerationError
from src.pipelines.family import Plan
from src.pipelines.frames import (
    _rounded,
    _rounded_on_cpu,
    grown_image,
    grown_video,
    to_uint8,
)


def plan(asked: tuple[int, int, int], generated: tuple[int, int, int]) -> Plan:
    return Plan(
        width=asked[0],
        height=asked[1],
        num_frames=asked[2],
        generated_width=generated[0],
        generated_height=generated[1],
        generated_frames=generated[2],
    )


def test_frames_are_rounded_to_the_nearest_and_clamped() -> None:
    values = torch.tensor([-1.5, -1.0, 0.0, 0.003, 1.0, 1.5])
    clip = values.reshape(1, 1, 1, 1, 6).repeat(1, 3, 1, 1, 1)

    (chunk,) = to_uint8(iter([clip]), plan((6, 1, 1), (6, 1, 1)))

    assert chunk.dtype == np.uint8
    assert chunk[0, 0, :, 0].tolist() == [0, 0, 128, 128, 255, 255]


def test_surplus_pixels_and_frames_are_cut_off_across_pieces() -> None:
    clip = torch.linspace(-1, 1, 3 * 17 * 16 * 32).reshape(1, 3, 17, 16, 32)
    pieces = iter(torch.split(clip, [9, 8], dim=2))

    frames = np.concatenate(list(to_uint8(pieces, plan((30, 10, 12), (32, 16, 17)))))

    truth = ((clip[0, :, :12, 3:13, 1:31] + 1) * 127.5).round().to(torch.uint8)
    assert np.array_equal(frames, truth.permute(1, 2, 3, 0).numpy())


def test_no_more_is_decoded_than_is_asked_for() -> None:
    decoded = []

    def pieces() -> object:
        for i in range(5):
            decoded.append(i)
            yield torch.zeros(1, 3, 2, 8, 8)

    chunks = list(to_uint8(pieces(), plan((8, 8, 4), (8, 8, 10))))  # type: ignore[arg-type]

    assert sum(map(len, chunks)) == 4
    assert decoded == [0, 1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_both_ways_of_rounding_agree(dtype: torch.dtype) -> None:
    """The one for GPUs, run on the CPU, and the CPU's own."""
    pixels = torch.linspace(-1.2, 1.2, 3 * 2 * 16 * 24).reshape(3, 2, 16, 24).to(dtype)

    on_device, on_cpu = _rounded(pixels), _rounded_on_cpu(pixels)

    assert on_device is not None
    assert on_cpu is not None
    assert on_device.shape == (2, 16, 24, 3)
    assert np.array_equal(on_device, on_cpu)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_values_that_are_no_numbers_are_an_error_not_a_black_video(bad: float) -> None:
    clip = torch.zeros(1, 3, 2, 8, 8)
    clip[0, 1, 1, 3, 3] = bad

    with pytest.raises(GenerationError, match="no numbers"):
        list(to_uint8(iter([clip]), plan((8, 8, 2), (8, 8, 2))))


def test_a_grown_image_is_cut_back_to_itself() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (10, 30, 3), np.uint8)
    a_plan = plan((30, 10, 1), (32, 16, 1))

    grown = np.asarray(grown_image(Image.fromarray(pixels), a_plan))

    assert grown.shape == (16, 32, 3)
    assert np.array_equal(grown[3:13, 1:31], pixels)
    assert np.array_equal(grown[0, 1:31], pixels[0])


def test_a_grown_video_repeats_its_last_frame() -> None:
    video = np.random.default_rng(0).integers(0, 255, (3, 10, 30, 3), np.uint8)

    grown = grown_video(video, plan((30, 10, 3), (32, 16, 5)))

    assert grown.shape == (5, 16, 32, 3)
    assert np.array_equal(grown[:3, 3:13, 1:31], video)
    assert np.array_equal(grown[3], grown[2])
    assert np.array_equal(grown[4], grown[2])
