"""Scenes as pixels.

Every outline but the circle's is made of straight sides: a pixel's signed distance is the largest
of those to each side, and the second largest within a star, whose sides cross. What is less than
half a pixel from an outline is drawn in part.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .scenes import BACKGROUNDS, COLORS, SHAPES, Figure, Scene, pose

Array = NDArray[np.float32]

#: Directions from the middle to the sides, in radians with y downwards, and their distance for an
#: outline that reaches as far as 1. A polygon lies on a side, a star stands on two tips.
_SIDES: dict[str, tuple[tuple[float, ...], float]] = {
    "square": (tuple(math.pi / 2 * k for k in range(4)), math.cos(math.pi / 4)),
    "triangle": (tuple(math.pi / 2 + math.tau / 3 * k for k in range(3)), math.cos(math.pi / 3)),
    "star": (tuple(math.tau / 5 * k - math.pi / 2 for k in range(5)), math.cos(math.pi * 2 / 5)),
}


@dataclass(frozen=True)
class Window:
    """What of a frame is drawn: so many pixels from `left`, `top` on.

    `side` is how many of them the frame's shorter side has.
    """

    width: int
    height: int
    side: float
    left: float = 0.0
    top: float = 0.0

    @classmethod
    def whole(cls, width: int, height: int) -> Window:
        """The whole frame."""
        return cls(width, height, float(min(width, height)))


@dataclass(frozen=True)
class Paint:
    """Other colors, 0 to 1, than those of the names: by color's or background's name."""

    figures: Mapping[str, Sequence[float]] = field(default_factory=dict)
    background: Sequence[float] | None = None


def draw(
    scene: Scene, *, times: Sequence[float], window: Window, paint: Paint | None = None
) -> Array:
    """Frames of shape (T, height, width, 3), 0 to 1, at those times of the clip, each 0 to 1."""
    paint = paint or Paint()
    ground = paint.background or _rgb(BACKGROUNDS[scene.background])
    frames = np.empty((len(times), window.height, window.width, 3), np.float32)
    frames[:] = np.asarray(ground, np.float32)
    for figure in scene.figures:
        rgb = paint.figures.get(figure.color) or _rgb(COLORS[figure.color])
        _put(frames, figure, _poses(figure, scene.motion, times, window), rgb)
    return frames


def clip(scene: Scene, *, frames: int, width: int, height: int) -> Array:
    """The scene's whole clip, shape (frames, height, width, 3), 0 to 1."""
    times = [index / max(frames - 1, 1) for index in range(frames)]
    return draw(scene, times=times, window=Window.whole(width, height))


def _rgb(color: Sequence[int]) -> list[float]:
    return [value / 255 for value in color]


def _poses(figure: Figure, motion: str, times: Sequence[float], window: Window) -> Array:
    """In the window's pixels: x, y, how far the outline reaches, and the angle; shape (T, 4)."""
    poses = [pose(figure, motion, time) for time in times]
    reach = SHAPES[figure.shape] * window.side
    rows = [
        (
            at.x * window.side - window.left,
            at.y * window.side - window.top,
            at.radius * reach,
            at.angle,
        )
        for at in poses
    ]
    return np.array(rows, np.float32)


def _put(frames: Array, figure: Figure, poses: Array, rgb: Sequence[float]) -> None:
    """Draw within the box that holds the figure all the time."""
    low = (poses[:, :2] - poses[:, 2:3] - 1).min(0)
    high = (poses[:, :2] + poses[:, 2:3] + 1).max(0)
    size = (frames.shape[2], frames.shape[1])
    left, top = (int(np.clip(math.floor(low[axis]), 0, size[axis])) for axis in (0, 1))
    right, bottom = (int(np.clip(math.ceil(high[axis]), 0, size[axis])) for axis in (0, 1))
    if right <= left or bottom <= top:
        return
    dx = np.arange(left, right, dtype=np.float32)[None, None, :] + 0.5 - poses[:, 0, None, None]
    dy = np.arange(top, bottom, dtype=np.float32)[None, :, None] + 0.5 - poses[:, 1, None, None]
    outside = _distance(figure.shape, dx, dy, poses[:, 2, None, None], poses[:, 3, None, None])
    cover = np.clip(0.5 - outside, 0, 1)[..., None]
    box = frames[:, top:bottom, left:right]
    box += (np.asarray(rgb, np.float32) - box) * cover


def _distance(shape: str, dx: Array, dy: Array, reach: Array, angle: Array) -> Array:
    """In pixels from the outline, negative within."""
    if shape == "circle":
        return np.sqrt(dx * dx + dy * dy) - reach
    directions, distance = _SIDES[shape]
    largest = second = np.float32(-np.inf)
    for direction in directions:
        side = dx * np.cos(direction + angle) + dy * np.sin(direction + angle)
        second = np.maximum(second, np.minimum(largest, side))
        largest = np.maximum(largest, side)
    far: Array = (second if shape == "star" else largest) - distance * reach
    return far
