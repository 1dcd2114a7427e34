"""What is asked for is what is seen: the embedded model through the worker, measured in its frames.

Each finding is of several clips together, and the bounds leave room for machines that round
otherwise. `python -m builder.demo.evaluate` prints the whole figures.
"""

from typing import Any

import numpy as np
import pytest

from builder.demo import evaluate
from builder.demo.captions import new_caption
from builder.demo.judging import Score, judge
from builder.demo.measuring import Frames, measure
from builder.demo.scenes import DIRECTIONS, Figure, Scene, scene
from builder.demo.serving import Guide, Product, frames_of, psnr
from builder.demo.unseen import unseen_scenes

pytestmark = pytest.mark.real

#: Of LTX's steps the first half are at nearly pure noise: from 0.5 on little of a video is left.
STRENGTHS = (0.1, 0.2, 0.3, 0.4, 0.6)


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Product:
    return Product(evaluate.MODEL, tmp_path_factory.mktemp("meaning"))


def drawn(shape: str, color: str, motion: str, background: str = "black") -> Frames:
    chance = np.random.default_rng(3)
    shown = scene(chance, shapes=[shape], colors=[color], motion=motion, background=background)
    return frames_of(shown)


def mean(values: Any) -> float:
    return float(np.mean(list(values)))


def test_the_prompt_is_followed_in_words_and_combinations_never_seen(worker: Product) -> None:
    chance, score = np.random.default_rng(0), Score()
    for seed, asked in enumerate(unseen_scenes(24)):
        judge(score, asked, worker.make(new_caption(asked, chance), seed=seed))

    assert score.right["color"] >= 21, list(score.lines())
    assert score.right["motion"] >= 20, list(score.lines())
    assert score.right["shape"] >= 17, list(score.lines())


FIRSTS = [
    ("star", "purple", "right", "black"),
    ("circle", "red", "up", "white"),
    ("square", "green", "left", "gray"),
]


def test_the_first_frame_is_the_image_and_the_rest_does_what_the_prompt_says(
    worker: Product,
) -> None:
    score = Score()
    for shape, color, motion, ground in FIRSTS:
        image = drawn(shape, color, motion, ground)[0]
        made = worker.make(f"a {shape} moving {motion}", Guide(first=image), seed=1)
        assert psnr(made[0], image) > 22
        # The prompt says nothing of the colour: the image does.
        seen = measure(made)
        assert seen is not None
        assert seen.color == color
        score.count("motion", seen.motion == motion)

    assert score.right["motion"] >= 2


def from_the_middle(motion: str) -> Frames:
    """A circle that could go anywhere, as far as its first frame says."""
    figure = Figure("circle", "red", "small", radius=0.15, x=0.5, y=0.5, reach=0.34)
    return frames_of(Scene((figure,), motion, "white"))


def test_the_last_frame_is_reached(worker: Product) -> None:
    """Where it goes, the last image alone says."""
    score = Score()
    for motion in DIRECTIONS:
        shown = from_the_middle(motion)
        made = worker.make("a circle", Guide(first=shown[0], last=shown[-1]), seed=1)
        assert psnr(made[-1], shown[-1]) > 20
        seen = measure(made)
        score.count("motion", seen is not None and seen.motion == motion)

    assert score.right["motion"] == len(DIRECTIONS)


def test_a_video_is_left_the_further_the_stronger(worker: Product) -> None:
    sources = [drawn("circle", "blue", "right"), drawn("square", "orange", "up", "white")]
    prompts = ["a yellow star moving down on a black background", "a green triangle growing"]
    near = [
        mean(
            psnr(worker.make(prompt, Guide(video=source), strength=strength, seed=1), source)
            for prompt, source in zip(prompts, sources, strict=True)
        )
        for strength in STRENGTHS
    ]

    assert near == sorted(near, reverse=True)
    assert near[0] > near[-1] + 6


def test_guidance_pulls_a_video_to_what_the_prompt_says(worker: Product) -> None:
    """Of text alone a clip has the prompt's color without guidance, too."""
    off = evaluate.off_by_guidance(worker, {})

    assert off[6.0] < off[1.0] / 2


def test_a_negative_prompt_pushes_its_color_away(worker: Product) -> None:
    """Where the prompt leaves the color open, it is the one that the seed likes best."""
    pushed = 0
    for seed in range(6):
        plain = measure(worker.make("a circle standing still", seed=seed))
        assert plain is not None
        other = worker.make("a circle standing still", seed=seed, negative_prompt=plain.color)
        seen = measure(other)
        pushed += seen is not None and seen.color != plain.color

    assert pushed >= 5


def test_the_same_seed_gives_the_same_bytes_and_another_one_another_video(worker: Product) -> None:
    first, again, other = (
        worker.made("a pink star spinning", seed=seed).read_bytes() for seed in (1, 1, 2)
    )

    assert again == first
    assert other != first
