"""`python -m builder.demo.evaluate`: how well the model does what it is told, through the worker.

Of combinations of shape, color and motion, and in wordings, that were not trained on.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import numpy as np
from tqdm import tqdm

from .captions import new_caption
from .judging import Score, judge
from .measuring import Frames, measure
from .scenes import BACKGROUNDS, COLORS, scene
from .serving import Guide, Product, frames_of, psnr
from .unseen import unseen_scenes

MODEL = Path("models/worker-video/demo")
PROMPTS = 200
IMAGES = 20
VIDEOS = 5
STRENGTHS = (0.1, 0.3, 0.5, 0.7, 0.9)
GUIDANCES = (1.0, 6.0)
#: A little of a video is left by then: what guidance pulls from it can be seen.
PULLED_AT = 0.3
#: A video's shape, color, motion and background, and another shape and color that it is to have.
PULLED = (
    (("circle", "blue", "right", "black"), ("star", "yellow")),
    (("square", "orange", "up", "white"), ("triangle", "purple")),
    (("star", "pink", "down", "black"), ("circle", "cyan")),
    (("triangle", "green", "left", "gray"), ("square", "red")),
)
#: A prompt that leaves the color open.
OPEN = "a circle standing still"


class Maker(Protocol):
    """What makes clips of jobs."""

    def make(self, prompt: str, guide: Guide | None = None, **fields: Any) -> Frames:
        """The frames of one job."""


def main() -> None:
    """Print the figures."""
    parser = ArgumentParser(prog="python -m builder.demo.evaluate", description=main.__doc__)
    parser.add_argument("--model", type=Path, default=MODEL, help="the model's folder")
    parser.add_argument("--prompts", type=int, default=PROMPTS)
    parser.add_argument("--steps", type=int, help="the model's own without")
    parser.add_argument("--guidance", type=float, help="the model's own without")
    wanted = parser.parse_args()
    asked = {"num_inference_steps": wanted.steps, "guidance_scale": wanted.guidance}
    said = {name: value for name, value in asked.items() if value is not None}
    with TemporaryDirectory() as folder:
        worker = Product(wanted.model, Path(folder))
        for line in prompts(worker, said, count=wanted.prompts):
            print(line)
        for figures in (images, videos, guidances, negatives):
            for line in figures(worker, said):
                print(line, flush=True)


def prompts(worker: Maker, said: Mapping[str, Any], *, count: int = PROMPTS) -> Iterator[str]:
    """Text alone."""
    chance, score = np.random.default_rng(1), Score()
    began = time.monotonic()
    for asked in tqdm(unseen_scenes(count), unit="clip"):
        judge(score, asked, worker.make(new_caption(asked, chance), **said))
    yield from score.lines()
    yield f"{(time.monotonic() - began) / count:.1f} s a clip"


def images(worker: Maker, said: Mapping[str, Any]) -> Iterator[str]:
    """A first frame, and a first and a last one."""
    chance = np.random.default_rng(2)
    firsts, lasts, score = [], [], Score()
    for asked in tqdm(unseen_scenes(IMAGES), unit="clip"):
        shown, prompt = frames_of(asked), new_caption(asked, chance)
        made = worker.make(prompt, Guide(first=shown[0]), **said)
        firsts.append(psnr(made[0], shown[0]))
        if len(asked.figures) == 1:
            seen = measure(made)
            score.count("motion from an image", seen is not None and seen.motion == asked.motion)
        made = worker.make(prompt, Guide(first=shown[0], last=shown[-1]), **said)
        lasts.append(psnr(made[-1], shown[-1]))
    yield f"first frame kept: {np.mean(firsts):.1f} dB, at least {min(firsts):.1f}"
    yield from score.lines()
    yield f"last frame reached: {np.mean(lasts):.1f} dB, at least {min(lasts):.1f}"


def videos(worker: Maker, said: Mapping[str, Any]) -> Iterator[str]:
    """How near to its source a clip stays under another prompt, by strength."""
    scenes = unseen_scenes(2 * VIDEOS + 1)[: 2 * VIDEOS]
    near: dict[float, list[float]] = {strength: [] for strength in STRENGTHS}
    for shown, asked in tqdm(list(zip(scenes[:VIDEOS], scenes[VIDEOS:], strict=True)), unit="clip"):
        source, prompt = frames_of(shown), new_caption(asked, np.random.default_rng(3))
        for strength in STRENGTHS:
            made = worker.make(prompt, Guide(video=source), strength=strength, seed=1, **said)
            near[strength].append(psnr(made, source))
    told = ", ".join(f"{strength}: {np.mean(of):.1f} dB" for strength, of in near.items())
    yield f"near the source at strength {told}"


def guidances(worker: Maker, said: Mapping[str, Any]) -> Iterator[str]:
    """What is right of color, motion and shape, by guidance."""
    for guidance in GUIDANCES:
        chance, score = np.random.default_rng(4), Score()
        for asked in tqdm(unseen_scenes(IMAGES), unit="clip"):
            fields = {**said, "guidance_scale": guidance}
            judge(score, asked, worker.make(new_caption(asked, chance), **fields))
        share = np.mean([score.share(what) for what in ("color", "motion", "shape")])
        yield f"right at guidance {guidance}: {share:.1%}"
    off = off_by_guidance(worker, said)
    told = ", ".join(f"{guidance}: {of:.0f}" for guidance, of in off.items())
    yield f"a video off the prompt's color, of 441, at guidance {told}"


def off_by_guidance(worker: Maker, said: Mapping[str, Any]) -> dict[float, float]:
    """How far colors of videos are from those of their prompts, 0 to 441, by guidance."""
    off: dict[float, list[float]] = {guidance: [] for guidance in GUIDANCES}
    for guidance, found in off.items():
        for seed, ((shape, color, motion, ground), (other, wanted)) in enumerate(PULLED):
            chance = np.random.default_rng(3)
            shown = scene(chance, shapes=[shape], colors=[color], motion=motion, background=ground)
            fields = {**said, "guidance_scale": guidance, "strength": PULLED_AT, "seed": seed}
            prompt = f"a {wanted} {other} on a {ground} background"
            seen = measure(worker.make(prompt, Guide(video=frames_of(shown)), **fields))
            rgb = np.array(seen.rgb if seen else BACKGROUNDS[ground])
            found.append(float(np.linalg.norm(rgb - np.array(COLORS[wanted]))))
    return {guidance: float(np.mean(found)) for guidance, found in off.items()}


def negatives(worker: Maker, said: Mapping[str, Any]) -> Iterator[str]:
    """How often a color that no prompt named is another with itself as a negative prompt."""
    score = Score()
    for seed in tqdm(range(IMAGES), unit="clip"):
        fields = {**said, "seed": seed}
        plain = measure(worker.make(OPEN, **fields))
        if plain is not None:
            seen = measure(worker.make(OPEN, negative_prompt=plain.color, **fields))
            pushed = seen is not None and seen.color != plain.color
            score.count("another color with a negative prompt", pushed)
    yield from score.lines()


if __name__ == "__main__":
    main()
