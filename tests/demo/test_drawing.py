"""Scenes as pixels: outlines, colors, windows, and figures that stay in the frame."""

from functools import partial

import numpy as np
import pytest

from builder.demo.drawing import Paint, Window, clip, draw
from builder.demo.scenes import (
    BACKGROUNDS,
    COLORS,
    MOTIONS,
    MOTIONS_OF_TWO,
    SHAPES,
    Figure,
    Scene,
    any_scene,
    pose,
    scene,
)


def one(shape: str, *, radius: float = 0.25, motion: str = "still", reach: float = 0.0) -> Scene:
    return Scene((Figure(shape, "red", "large", radius, 0.5, 0.5, reach),), motion, "white")


def cover(frame: np.ndarray) -> np.ndarray:
    """How much of each pixel is red, before white."""
    white, red = np.array(BACKGROUNDS["white"]) / 255, np.array(COLORS["red"]) / 255
    share: np.ndarray = (frame - white) @ (red - white) / ((red - white) @ (red - white))
    return share


@pytest.mark.parametrize(
    ("shape", "area"),
    [
        ("circle", np.pi),
        ("square", 2.0),
        ("triangle", 0.75 * 3**0.5),
        # Five tips on a pentagon, for corners at a distance of 1.
        ("star", 1.1226),
    ],
)
def test_a_shape_covers_its_area(shape: str, area: float) -> None:
    frame = clip(one(shape), frames=1, width=128, height=128)[0]
    reach = 0.25 * SHAPES[shape] * 128
    assert cover(frame).sum() == pytest.approx(area * reach**2, rel=0.01)


@pytest.mark.parametrize("shape", ["triangle", "star"])
def test_a_tip_points_upwards(shape: str) -> None:
    rows = cover(clip(one(shape), frames=1, width=128, height=128)[0]).sum(1)
    top = int(np.flatnonzero(rows > 0.01)[0])
    assert top == pytest.approx(64 - 0.25 * SHAPES[shape] * 128, abs=1.5)
    assert rows[top] < 2


def test_a_square_lies_on_its_side() -> None:
    rows = cover(clip(one("square"), frames=1, width=128, height=128)[0]).sum(1)
    inside = rows[rows > 0.9 * rows.max()]
    assert len(inside) > 40
    assert np.ptp(inside) < 0.02 * rows.max()


def test_an_edge_is_drawn_in_part() -> None:
    values = cover(clip(one("circle"), frames=1, width=64, height=64)[0])
    assert ((values > 0.1) & (values < 0.9)).sum() > 30


def test_a_turn_is_clockwise() -> None:
    quarter = clip(one("triangle", motion="rotate", reach=90.0), frames=2, width=96, height=96)
    assert np.allclose(np.rot90(quarter[0], -1), quarter[1], atol=0.02)


def test_a_window_is_a_part_of_the_frame() -> None:
    shown = one("star", motion="left", reach=0.3)
    times = [0.0, 0.5, 1.0]
    whole = draw(shown, times=times, window=Window.whole(128, 128))
    part = draw(shown, times=times, window=Window(40, 24, 128.0, left=30, top=50))
    assert np.array_equal(part, whole[:, 50:74, 30:70])


def test_a_window_beside_the_figure_shows_the_background() -> None:
    part = draw(one("circle"), times=[0.0], window=Window(8, 8, 128.0))
    assert np.allclose(part, np.array(BACKGROUNDS["white"]) / 255)


def test_other_colors_take_the_place_of_the_names() -> None:
    paint = Paint({"red": (0.0, 1.0, 0.0)}, (0.0, 0.0, 1.0))
    frame = draw(one("circle"), times=[0.0], window=Window.whole(64, 64), paint=paint)[0]
    assert frame[32, 32] == pytest.approx([0, 1, 0])
    assert frame[0, 0] == pytest.approx([0, 0, 1])


@pytest.mark.parametrize("middle", [False, True])
@pytest.mark.parametrize(("width", "height"), [(1.0, 1.0), (1.5, 1.0), (1.0, 4 / 3)])
def test_every_figure_stays_in_the_frame_and_off_the_other(
    width: float, height: float, middle: bool
) -> None:
    chance = np.random.default_rng(1)
    for _ in range(300):
        made = any_scene(chance, width=width, height=height, two=0.4, middle=middle)
        for index, figure in enumerate(made.figures):
            half = width / len(made.figures)
            for time in np.linspace(0, 1, 9):
                at = pose(figure, made.motion, float(time))
                extent = at.radius * SHAPES[figure.shape] - 1e-6
                assert half * index <= at.x - extent
                assert at.x + extent <= half * (index + 1)
                assert at.y - extent >= 0
                assert at.y + extent <= height


@pytest.mark.parametrize("motion", MOTIONS)
def test_what_moves_in_the_middle_goes_as_far_to_either_side(motion: str) -> None:
    shown = scene(
        np.random.default_rng(5),
        shapes=["star"],
        colors=["red"],
        motion=motion,
        background="black",
        width=1.5,
        middle=True,
    )
    way = [pose(shown.figures[0], motion, time) for time in (0.0, 0.5, 1.0)]
    places = np.array([(at.x, at.y) for at in way])
    assert (places.min(0) + places.max(0)) / 2 == pytest.approx((0.75, 0.5))


@pytest.mark.parametrize(("middle", "count"), [(True, 1), (False, 100)])
def test_a_figure_begins_at_one_place_or_anywhere(middle: bool, count: int) -> None:
    chance = np.random.default_rng(5)
    said = partial(scene, shapes=["star"], colors=["red"], motion="left", background="black")
    figures = [said(chance, size="small", middle=middle).figures[0] for _ in range(100)]
    assert len({(figure.x, figure.y) for figure in figures}) == count
    assert len({figure.reach for figure in figures}) == count


@pytest.mark.parametrize("motion", MOTIONS_OF_TWO)
def test_two_figures_do_the_same(motion: str) -> None:
    chance = np.random.default_rng(2)
    made = scene(
        chance,
        shapes=["star", "circle"],
        colors=["red", "blue"],
        motion=motion,
        background="black",
    )
    first, last = ([pose(one, motion, time) for time in (0.0, 0.3, 1.0)] for one in made.figures)
    for one_pose, other in zip(first, last, strict=True):
        assert one_pose.y - first[0].y == pytest.approx(other.y - last[0].y)


@pytest.mark.parametrize("count", [0, 3])
def test_no_other_count_of_figures_is_drawn(count: int) -> None:
    with pytest.raises(ValueError, match="one or two shapes"):
        scene(
            np.random.default_rng(0),
            shapes=["star"] * count,
            colors=["red"] * count,
            motion=MOTIONS[0],
            background="black",
        )
