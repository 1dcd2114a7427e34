"""Trains the decoder alone, on whole clips: what latents mean stays what it was.

So it may go on after the transformer was trained on them, and learn to make up for what that does
to them: outlines that are not quite the encoder's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from .autoencoding import NOISE, badness, half_precision, optimizers
from .captions import exact_caption
from .latents import Size, denormalised, drawn, encoded
from .renoising import made_anew
from .run import Crew, Learner, Log

STEPS = 8_500
#: Of the highest rates: it begins where training ended.
SHARE = 0.5
SEED = 2028
#: How far clips are noised and made anew, at most, and how often they are left as encoded.
MOST_NOISE, AS_ENCODED = 0.75, 0.25
#: How often things move in the middle. There a text says all, and makes the clip of noise alone.
MIDDLE = 0.6
#: Clips in each worker's half of a batch, by their size.
SIZES = (
    *((Size(128, 128, 17), 1),) * 4,
    (Size(96, 96, 17), 2),
    (Size(160, 128, 17), 1),
    (Size(96, 128, 17), 1),
)


@dataclass(frozen=True)
class Half:
    """What one worker is to draw."""

    seed: list[int]
    size: Size
    count: int


class Polishing:
    """The run: a VAE's decoder, and how far it has come."""

    def __init__(self, folder: Path, crew: Crew, log: Log, *, pipeline: Any) -> None:
        """Goes on from the folder's checkpoint; `pipeline` is trained, its VAE changed in place."""
        torch.manual_seed(SEED)
        self._pipeline = pipeline
        self._vae = vae = pipeline.vae.requires_grad_(False)
        decoder = vae.decoder.requires_grad_(True)
        self.learner = Learner(
            decoder, optimizers(decoder, crew), path=folder / "polisher.pt", crew=crew, log=log
        )

    def train(self) -> None:
        """Go on to the end, writing checkpoints."""
        losses: list[float] = []
        for telling, pace in self.learner.paces(STEPS):
            losses.append(self._one())
            if telling:
                self.learner.log.say(f"polisher {pace}; loss {np.mean(losses[-100:]):.4f}")

    def wear(self) -> None:
        """Have the VAE's decoder its averaged weights, for good."""
        self.learner.wear_average()
        self._vae.requires_grad_(False)

    def _one(self) -> float:
        step = self.learner.step
        size, count = SIZES[np.random.default_rng([SEED, step]).integers(len(SIZES))]
        halves = [Half([SEED, step, half], size, count) for half in range(2)]
        with sdpa_kernel(SDPBackend.MATH):
            return self.learner.learn(self._loss, halves, share=SHARE * (1 - step / STEPS))

    def _loss(self, half: Half) -> torch.Tensor:
        chance = np.random.default_rng(half.seed)
        middle = bool(chance.random() < MIDDLE)
        scenes = half.size.scenes(chance, half.count, middle=middle)
        shown = drawn(scenes, half.size)
        clips = encoded(self._vae, shown)
        if chance.random() > AS_ENCODED:
            told = [exact_caption(scene, chance) for scene in scenes]
            level = 1.0 if middle else chance.uniform(0, MOST_NOISE)
            clips = made_anew(self._pipeline, told, clips, level)
        values = denormalised(self._vae, clips)
        with half_precision():
            made = self._vae.decode(values + NOISE * torch.randn_like(values)).sample.float()
        return badness(made - shown)
