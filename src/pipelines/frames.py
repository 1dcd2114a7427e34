"""Between pixels and tensors: inputs grown to the generated size, outputs cut to the asked one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from ..errors import GenerationError
from .family import Plan

if TYPE_CHECKING:
    from ..generation import FrameChunk

#: Frames that are converted at a time: few enough that no second copy of a clip is ever held.
CHUNK = 2


def to_uint8(decoded: Iterator[torch.Tensor], plan: Plan) -> Iterator[FrameChunk]:
    """Cut, round and hand over decoded frames, a few at a time.

    Takes tensors in [-1, 1] of shape (1, 3, frames, height, width) on any device and gives
    uint8 arrays (frames, height, width, 3) of exactly the size and number of the plan.
    Raises GenerationError where the network gave values that are no numbers.
    """
    left = plan.num_frames
    for tensor in decoded:
        for part in torch.split(tensor[0, :, :left], CHUNK, dim=1):
            left -= part.shape[1]
            yield _chunk(part, plan)
        if left <= 0:
            return


def _chunk(part: torch.Tensor, plan: Plan) -> FrameChunk:
    rows = slice(plan.top, plan.top + plan.height)
    columns = slice(plan.left, plan.left + plan.width)
    pixels = part.detach()[:, :, rows, columns]
    rounded = _rounded_on_cpu(pixels) if part.device.type == "cpu" else _rounded(pixels)
    if rounded is None:
        raise GenerationError("the model's frames hold values that are no numbers")
    return rounded


def _rounded(pixels: torch.Tensor) -> FrameChunk | None:
    """On the device, so that a quarter of the bytes crosses to the host."""
    if not torch.isfinite(pixels).all():
        return None
    values = pixels.float().mul(127.5).add_(127.5).round_().clamp_(0, 255)
    return values.to(torch.uint8).permute(1, 2, 3, 0).contiguous().cpu().numpy()


def _rounded_on_cpu(pixels: torch.Tensor) -> FrameChunk | None:
    """The same in numpy, a channel at a time: three times faster than torch, whose threads
    would also spin on the cores that the encoder needs.
    """
    frames = np.empty((*pixels.shape[1:], 3), np.uint8)
    for channel, plane in enumerate(pixels.float().numpy()):
        values = plane * np.float32(127.5)
        values += np.float32(127.5)
        if not np.isfinite(values).all():
            return None
        np.rint(values, out=values)
        np.clip(values, 0, 255, out=values)
        frames[..., channel] = values
    return frames


def grown_image(image: Image.Image, plan: Plan) -> Image.Image:
    """The image on the generated size: its edges drawn out, so that the cut gives it back whole."""
    if image.size == (plan.generated_width, plan.generated_height):
        return image
    return Image.fromarray(np.pad(np.asarray(image), (*_margins(plan), (0, 0)), mode="edge"))


def grown_video(video: FrameChunk, plan: Plan) -> FrameChunk:
    """The frames on the generated size and number: edges drawn out, the last frame repeated."""
    surplus = plan.generated_frames - len(video)
    return np.pad(video, ((0, surplus), *_margins(plan), (0, 0)), mode="edge")


def _margins(plan: Plan) -> tuple[tuple[int, int], tuple[int, int]]:
    below = plan.generated_height - plan.height - plan.top
    right = plan.generated_width - plan.width - plan.left
    return (plan.top, below), (plan.left, right)
