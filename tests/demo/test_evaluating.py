"""The evaluation, on a maker of clips that is always right, and on ones that are not."""

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest

from builder.demo import evaluate
from builder.demo.evaluate import PULLED, images, off_by_guidance, prompts, videos
from builder.demo.judging import Score, judge
from builder.demo.measuring import Frames
from builder.demo.scenes import Scene, scene
from builder.demo.serving import Guide, frames_of, psnr, read_file
from builder.demo.unseen import unseen_scenes

COUNT = 20


class Painter:
    """Draws the scenes that are asked for, one after the other; remembers what it was told."""

    def __init__(self, scenes: list[Scene], times: int = 1) -> None:
        self._clips: Iterator[Frames] = (
            frames_of(of) for of in cycle(scenes) for _ in range(times)
        )
        self.told: list[tuple[str, Guide | None, dict[str, Any]]] = []

    def make(self, prompt: str, guide: Guide | None = None, **fields: Any) -> Frames:
        self.told.append((prompt, guide, fields))
        return next(self._clips)


class Copier:
    """Gives what it was given, and the less of it the higher the strength."""

    def make(self, prompt: str, guide: Guide | None = None, **fields: Any) -> Frames:
        del prompt
        assert guide is not None
        assert guide.video is not None
        kept = 1 - fields["strength"]
        faded: Frames = (guide.video * kept).astype(np.uint8)
        return faded


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "IMAGES", COUNT)


def test_clips_that_show_what_is_asked_for_are_all_right() -> None:
    lines = list(prompts(Painter(unseen_scenes(COUNT)), {}, count=COUNT))
    assert f"color: {COUNT} of {COUNT} (100.0%)" in lines
    assert "shape of two: 2 of 2 (100.0%)" in lines
    assert all("100.0%" in line for line in lines[:-1])


def test_clips_of_something_else_are_wrong() -> None:
    other = scene(
        np.random.default_rng(0),
        shapes=["star"],
        colors=["yellow"],
        motion="still",
        background="black",
    )
    score = Score()
    asked = [one for one in unseen_scenes(40) if len(one.figures) == 1]
    asked = [one for one in asked if (one.figures[0].shape, one.motion) != ("star", "still")]
    for one in asked:
        judge(score, one, frames_of(other))
    assert score.share("motion") < 0.3
    assert score.share("shape") < 0.5
    assert score.share("color") < 0.3


def test_a_clip_that_shows_nothing_is_wrong() -> None:
    score = Score()
    for one in (*unseen_scenes(1), unseen_scenes(10)[-1]):
        judge(score, one, np.zeros((17, 128, 128, 3), np.uint8))
    assert not any(score.right.values())


def test_given_frames_are_compared_with_what_comes() -> None:
    painter = Painter(unseen_scenes(COUNT), times=2)
    lines = list(images(painter, {"num_inference_steps": 3}))
    # The same frames, which psnr tells by a figure above any that a file can have.
    assert float(lines[0].split()[3]) > 100
    assert float(lines[-1].split()[3]) > 100
    guides = [guide for _, guide, _ in painter.told]
    assert all(guide is not None and guide.first is not None for guide in guides)
    assert sum(guide is not None and guide.last is not None for guide in guides) == COUNT
    assert all(fields == {"num_inference_steps": 3} for _, _, fields in painter.told)


def test_nearness_is_told_by_strength() -> None:
    (line,) = videos(Copier(), {})
    values = [float(part.split()[-2]) for part in line.split(", ")]
    assert values == sorted(values, reverse=True)
    assert len(set(values)) == 5


def test_what_guidance_pulls_is_told_by_the_color() -> None:
    wanted = [
        scene(
            np.random.default_rng(0),
            shapes=[shape],
            colors=[color],
            motion="still",
            background=ground,
        )
        for (_, _, _, ground), (shape, color) in PULLED
    ]
    painter = Painter(wanted)
    assert all(off < 10 for off in off_by_guidance(painter, {}).values())
    assert [fields["guidance_scale"] for _, _, fields in painter.told] == [1.0] * 4 + [6.0] * 4
    # What is left as it was has another color.
    assert all(off > 100 for off in off_by_guidance(Copier(), {}).values())


@pytest.mark.parametrize(
    ("guide", "endpoint", "names"),
    [
        (Guide(), "text2video", set()),
        (Guide(first=np.zeros((8, 8, 3), np.uint8)), "img2video", {"init_image"}),
        (Guide(last=np.zeros((8, 8, 3), np.uint8)), "text2video", {"end_image"}),
        (Guide(video=np.zeros((2, 8, 8, 3), np.uint8)), "video2video", {"init_video"}),
    ],
)
def test_what_is_given_decides_the_endpoint(guide: Guide, endpoint: str, names: set[str]) -> None:
    fields = guide.fields()
    assert fields.pop("endpoint") == endpoint
    assert set(fields) == names


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    frames = frames_of(unseen_scenes(1)[0])
    path = tmp_path / "clip.mp4"
    writer = imageio_ffmpeg.write_frames(
        str(path), (128, 128), fps=8, macro_block_size=1, output_params=["-crf", "10"]
    )
    writer.send(None)
    for frame in frames:
        writer.send(np.ascontiguousarray(frame))
    writer.close()
    assert psnr(read_file(path), frames) > 30
