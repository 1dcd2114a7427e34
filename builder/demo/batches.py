"""Windows of scenes by chance, as tensors: what the autoencoder is trained on."""

from __future__ import annotations

import numpy as np
import torch

from .drawing import Array, Paint, Window, draw
from .scenes import COLORS, any_scene, pose

#: How often a window shows other colors than the world's, so that an image from elsewhere is kept.
OTHER_COLORS = 0.1


def as_tensor(frames: Array) -> torch.Tensor:
    """Frames (..., T, height, width, 3) of 0 to 1 as (..., 3, T, height, width) of -1 to 1."""
    return torch.from_numpy(frames).movedim(-1, -4).mul(2).sub(1).contiguous()


def windows(
    chance: np.random.Generator, count: int, *, frames: int, size: int, side: int
) -> torch.Tensor:
    """Parts of clips of `side` pixels, shape (count, 3, frames, size, size), -1 to 1.

    Each has a figure in it at some time, and shows a part of 17 frames' time where it is shorter.
    """
    return as_tensor(
        np.stack([_window(chance, frames=frames, size=size, side=side) for _ in range(count)])
    )


def _window(chance: np.random.Generator, *, frames: int, size: int, side: int) -> Array:
    scene = any_scene(chance)
    step = 1 / 16
    start = chance.uniform(0, max(0.0, 1 - step * (frames - 1)))
    times = [start + step * index for index in range(frames)]
    figure = scene.figures[chance.integers(len(scene.figures))]
    at = pose(figure, scene.motion, times[chance.integers(frames)])
    off = chance.uniform(-0.5, 0.5, 2) * size
    room = max(side - size, 0)
    left = float(np.clip(at.x * side - size / 2 + off[0], 0, room))
    top = float(np.clip(at.y * side - size / 2 + off[1], 0, room))
    # Whole pixels of the frame's grid or parts of them: the autoencoder sees both.
    window = Window(size, size, side, left, top)
    return draw(scene, times=times, window=window, paint=_paint(chance))


def _paint(chance: np.random.Generator) -> Paint:
    if chance.random() > OTHER_COLORS:
        return Paint()
    colors = {name: tuple(chance.random(3)) for name in COLORS}
    return Paint(colors, tuple(chance.random(3)))
