"""Reads a clip of the world back: color, shape and motion, from its frames alone.

Knows no prompt and no model. Frames are uint8 of shape (T, height, width, 3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .scenes import BACKGROUNDS, COLORS, Rgb

Frames = NDArray[np.uint8]
Array = NDArray[np.float64]

#: Below this distance from the background, of 255, there is no figure.
LEAST_CONTRAST = 40.0
#: Of the frame, what a figure covers at least and at most.
AREAS = (0.004, 0.6)
#: In shorter sides: what has gone less far than this has stood still.
LEAST_WAY = 0.15
#: A bounce ends where it began: this much of its height is let go.
LEAST_RETURN = 0.5
#: The last area over the first.
LEAST_GROWTH = 1.8
#: Degrees.
LEAST_TURN = 35.0
CORNERS = {3: "triangle", 4: "square", 5: "star"}
#: How strongly so many corners show, 0 to 1, at least: half of what blurred ones do, and more
#: than a blurred circle does. Drawn ones show by 0.66, 0.43 and 0.88.
LEAST_CORNERS = {3: 0.17, 4: 0.08, 5: 0.08}


@dataclass(frozen=True)
class Seen:
    """What a clip shows; `centers` are x and y by frame in shorter sides."""

    color: str
    rgb: tuple[float, ...]
    shape: str
    motion: str
    background: str
    centers: Array


def measure(frames: Frames) -> Seen | None:
    """The one figure that a clip shows, or None where there is none to be seen."""
    values = frames.astype(np.float64)
    ground = _ground(values)
    cover, rgb = _cover(values, ground)
    areas = cover.mean((1, 2))
    if not AREAS[0] < areas.mean() < AREAS[1] or areas.min() <= 0:
        return None
    centers = _centers(cover)
    moments = {count: _corners(cover, centers, count) for count in CORNERS}
    shape = _shape(moments)
    return Seen(
        color=nearest(rgb, COLORS),
        rgb=tuple(rgb),
        shape=shape,
        motion=_motion(centers, areas, moments, shape),
        background=nearest(ground, BACKGROUNDS),
        centers=centers,
    )


def measure_two(frames: Frames) -> tuple[Seen | None, Seen | None]:
    """The figures in the left and in the right half."""
    middle = frames.shape[2] // 2
    return measure(frames[:, :, :middle]), measure(frames[:, :, middle:])


def nearest(rgb: Array, names: dict[str, Rgb]) -> str:
    """The name whose color lies nearest."""
    return min(names, key=lambda name: float(np.linalg.norm(rgb - np.array(names[name]))))


def _ground(values: Array) -> Array:
    """The middle color of the frames' rims."""
    rims = (values[:, 0], values[:, -1], values[:, :, 0], values[:, :, -1])
    ground: Array = np.median(np.concatenate([rim.reshape(-1, 3) for rim in rims]), axis=0)
    return ground


def _cover(values: Array, ground: Array) -> tuple[Array, Array]:
    """How much of each pixel is the figure, shape (T, H, W), and the figure's color.

    Its color is that of the half of the pixels that differ most from the background.
    """
    off = values - ground
    far = np.linalg.norm(off, axis=-1)
    strong = far > max(LEAST_CONTRAST, 0.6 * float(np.quantile(far, 0.995)))
    if not strong.any():
        return np.zeros(far.shape), ground
    rgb = np.median(values[strong], axis=0)
    direction = rgb - ground
    cover = np.clip(off @ direction / (direction @ direction), 0, 1)
    # What is less than half of it is blur, or a block of the encoder's.
    return np.where(cover > 0.5, cover, 0.0), rgb


def _centers(cover: Array) -> Array:
    """Shape (T, 2): x and y in shorter sides."""
    height, width = cover.shape[1:]
    total = cover.sum((1, 2))
    x = (cover.sum(1) * (np.arange(width) + 0.5)).sum(-1) / total
    y = (cover.sum(2) * (np.arange(height) + 0.5)).sum(-1) / total
    centers: Array = np.stack([x, y], axis=-1) / min(height, width)
    return centers


def _corners(cover: Array, centers: Array, count: int) -> NDArray[np.complex128]:
    """How strongly so many corners show, and where they point, by frame.

    The moment of that order, over what it were if all lay in one direction.
    """
    height, width = cover.shape[1:]
    side = min(height, width)
    x = (np.arange(width) + 0.5) / side - centers[:, None, :1]
    y = (np.arange(height) + 0.5)[:, None] / side - centers[:, 1:, None]
    powers = (x + 1j * y) ** count
    moments: NDArray[np.complex128] = (cover * powers).sum((1, 2)) / (cover * np.abs(powers)).sum(
        (1, 2)
    )
    return moments


def _shape(moments: dict[int, NDArray[np.complex128]]) -> str:
    strength = {
        count: float(np.median(np.abs(of))) / LEAST_CORNERS[count] for count, of in moments.items()
    }
    most = max(strength, key=lambda count: strength[count])
    return CORNERS[most] if strength[most] > 1 else "circle"


def _motion(
    centers: Array, areas: Array, moments: dict[int, NDArray[np.complex128]], shape: str
) -> str:
    if areas[-2:].mean() > LEAST_GROWTH * areas[:2].mean():
        return "grow"
    dx, dy = centers[-1] - centers[0]
    height = float(np.ptp(centers[:, 1]))
    if height > LEAST_WAY and abs(dy) < (1 - LEAST_RETURN) * height and abs(dx) < height:
        return "bounce"
    if max(abs(dx), abs(dy)) > LEAST_WAY:
        if abs(dx) > abs(dy):
            return "left" if dx < 0 else "right"
        return "up" if dy < 0 else "down"
    return "rotate" if _turn(moments, shape) > LEAST_TURN else "still"


def _turn(moments: dict[int, NDArray[np.complex128]], shape: str) -> float:
    """By how many degrees it has turned, either way."""
    count = {name: count for count, name in CORNERS.items()}.get(shape)
    if count is None:
        return 0.0
    angles = np.unwrap(np.angle(moments[count])) / count
    return float(np.degrees(abs(angles[-1] - angles[0])))
