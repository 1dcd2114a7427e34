"""What there is in the world, and scenes of it by chance.

Positions and sizes are shares of the frame's shorter side; time runs from 0 to 1 over the clip.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

Rgb = tuple[int, int, int]

#: Radius that a shape's outline reaches, where its nominal radius is 1: areas are alike.
SHAPES = {"circle": 1.0, "square": 1.27, "triangle": 1.45, "star": 1.5}
COLORS: dict[str, Rgb] = {
    "red": (220, 40, 40),
    "orange": (245, 140, 30),
    "yellow": (245, 225, 50),
    "green": (40, 170, 70),
    "cyan": (50, 210, 220),
    "blue": (40, 80, 220),
    "purple": (140, 60, 190),
    "pink": (245, 130, 190),
}
BACKGROUNDS: dict[str, Rgb] = {
    "black": (15, 15, 15),
    "gray": (165, 165, 165),
    "white": (240, 240, 240),
    "brown": (90, 60, 40),
}
#: Nominal radii, from and to.
SIZES = {"small": (0.15, 0.16), "medium": (0.18, 0.195), "large": (0.22, 0.24)}
MOTIONS = ("left", "right", "up", "down", "still", "rotate", "grow", "bounce")

#: Where a thing goes on its way, in shares of the shorter side.
DIRECTIONS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
WAY = (0.32, 0.42)
HEIGHT_OF_BOUNCE = (0.28, 0.38)
#: Degrees over the clip, clockwise.
TURN = (80.0, 100.0)
#: A growing thing's first radius, as a share of its last.
GROWS_FROM = 0.5
#: Two things stand side by side, and do the same.
MOTIONS_OF_TWO = ("still", "up", "down", "grow", "bounce")
SIZES_OF_TWO = ("small", "medium")


@dataclass(frozen=True)
class Figure:
    """One thing: `x`, `y` is where its way begins, `reach` how far it goes or turns."""

    shape: str
    color: str
    size: str
    radius: float
    x: float
    y: float
    reach: float


@dataclass(frozen=True)
class Scene:
    """One or two figures that move alike before a plain background."""

    figures: tuple[Figure, ...]
    motion: str
    background: str


@dataclass(frozen=True)
class Pose:
    """Where a figure is at some time; `angle` is in radians, clockwise."""

    x: float
    y: float
    radius: float
    angle: float


def pose(figure: Figure, motion: str, time: float) -> Pose:
    """Where the figure is at `time`, 0 to 1."""
    still = Pose(figure.x, figure.y, figure.radius, 0.0)
    if motion in DIRECTIONS:
        dx, dy = DIRECTIONS[motion]
        way = figure.reach * time
        return replace(still, x=still.x + dx * way, y=still.y + dy * way)
    if motion == "rotate":
        return replace(still, angle=math.radians(figure.reach) * time)
    if motion == "grow":
        return replace(still, radius=still.radius * (GROWS_FROM + (1 - GROWS_FROM) * time))
    if motion == "bounce":
        # It falls, and is up again at the end.
        return replace(still, y=still.y + figure.reach * (1 - abs(math.cos(math.pi * time))))
    return still


def possible(shape: str, motion: str) -> bool:
    """Whether it can be seen: a circle that turns looks as one that does not."""
    return not (shape == "circle" and motion == "rotate")


def scene(
    chance: np.random.Generator,
    *,
    shapes: Sequence[str],
    colors: Sequence[str],
    motion: str,
    background: str,
    width: float = 1.0,
    height: float = 1.0,
    size: str | None = None,
    middle: bool = False,
) -> Scene:
    """A scene of these things, at places that keep them within the frame all the time.

    `width` and `height` are the frame's, the shorter of which is 1; `middle` has ways lie in the
    middle of the room that there is, and things go and be as wide as they mostly do and are.
    Raises ValueError for more than two figures.
    """
    if len(shapes) not in (1, 2) or len(shapes) != len(colors):
        raise ValueError(f"one or two shapes and as many colors, not {shapes} and {colors}")
    reach = _reach(chance, motion, middle)
    sizes = [size or _size(chance, motion, len(shapes)) for _ in shapes]
    part = width / len(shapes)
    # What goes far, or has another beside it, may be smaller than its size's name says.
    across, along = _way(motion, reach)
    room = min((part - abs(across)) / 2, (height - abs(along)) / 2)
    radii = [
        min(_between(chance, *SIZES[name], middle), room / SHAPES[shape])
        for shape, name in zip(shapes, sizes, strict=True)
    ]
    extents = [radius * SHAPES[shape] for shape, radius in zip(shapes, radii, strict=True)]
    # Two begin at the same height where they go up or down.
    level = _begin(chance, max(extents), along, height, middle)
    begins = [
        (
            part * place + _begin(chance, extent, across, part, middle),
            level if along else _begin(chance, extent, along, height, middle),
        )
        for place, extent in enumerate(extents)
    ]
    figures = [
        Figure(shape, color, name, radius, x, y, reach)
        for shape, color, name, radius, (x, y) in zip(
            shapes, colors, sizes, radii, begins, strict=True
        )
    ]
    return Scene(tuple(figures), motion, background)


def any_scene(
    chance: np.random.Generator,
    *,
    width: float = 1.0,
    height: float = 1.0,
    two: float = 0.15,
    middle: bool = False,
) -> Scene:
    """A scene of anything; `two` is how often there are two figures, `middle` as for `scene`."""
    count = 2 if chance.random() < two else 1
    motion = str(chance.choice(MOTIONS_OF_TWO if count == 2 else MOTIONS))
    shapes = [str(shape) for shape in chance.choice(list(SHAPES), count)]
    while not all(possible(shape, motion) for shape in shapes):
        shapes = [str(shape) for shape in chance.choice(list(SHAPES), count)]
    colors = [str(color) for color in chance.choice(list(COLORS), count, replace=False)]
    background = str(chance.choice(list(BACKGROUNDS)))
    return scene(
        chance,
        shapes=shapes,
        colors=colors,
        motion=motion,
        background=background,
        width=width,
        height=height,
        middle=middle,
    )


def mistaken(scene: Scene, chance: np.random.Generator) -> Scene:
    """What a scene may be taken for: one of its figures has another shape or, of two, color.

    Of two that is mostly what the other one has.
    """
    place = int(chance.integers(len(scene.figures)))
    mine, beside = scene.figures[place], scene.figures[-1 - place]
    what, names = "shape", list(SHAPES)
    if beside is not mine and chance.random() < 0.5:
        what, names = "color", list(COLORS)
    taken = getattr(beside, what)
    if taken == getattr(mine, what) or chance.random() < 0.5:
        taken = str(chance.choice([name for name in names if name != getattr(mine, what)]))
    figures = list(scene.figures)
    figures[place] = replace(mine, **{what: taken})
    return replace(scene, figures=tuple(figures))


def _size(chance: np.random.Generator, motion: str, count: int) -> str:
    """What grows, ends large enough to have been seen small."""
    if count == 2:
        return "medium" if motion == "grow" else str(chance.choice(SIZES_OF_TWO))
    return "large" if motion == "grow" else str(chance.choice(list(SIZES)))


def _way(motion: str, reach: float) -> tuple[float, float]:
    """How far to the right and down it goes, at most."""
    if motion == "bounce":
        return 0.0, reach
    dx, dy = DIRECTIONS.get(motion, (0, 0))
    return dx * reach, dy * reach


def _begin(
    chance: np.random.Generator, extent: float, way: float, room: float, middle: bool
) -> float:
    """Where a thing of that extent may begin, so that its way ends within the room."""
    low, high = extent - min(way, 0), room - extent - max(way, 0)
    # Where it just fits, rounding may turn them around.
    return _between(chance, low, max(low, high), middle)


def _reach(chance: np.random.Generator, motion: str, middle: bool) -> float:
    if motion in DIRECTIONS:
        return _between(chance, *WAY, middle)
    if motion == "bounce":
        return _between(chance, *HEIGHT_OF_BOUNCE, middle)
    return _between(chance, *TURN, middle) if motion == "rotate" else 0.0


def _between(chance: np.random.Generator, low: float, high: float, middle: bool) -> float:
    return (low + high) / 2 if middle else chance.uniform(low, high)
