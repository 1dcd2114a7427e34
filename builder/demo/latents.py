"""Clips as the transformer sees them: encoded once, kept, and more of them as training goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from .batches import as_tensor
from .captions import trainable
from .drawing import clip
from .scenes import Scene, any_scene

#: How often the last image stands at the clip's last frame; else at one of the few before it,
#: as for a clip that is cut short.
AT_THE_END = 0.5
BEFORE_THE_END = 7


@dataclass(frozen=True)
class Size:
    """A clip's."""

    width: int
    height: int
    frames: int


@dataclass
class Shelf:
    """Encoded clips of one size.

    `clips` (N, channels, frames, rows, columns) and `lasts` (N, channels, 1, rows, columns) are
    normalised, float16; `at` (N) is the frame that a last image was taken from.
    """

    size: Size
    scenes: list[Scene] = field(default_factory=list)
    clips: list[torch.Tensor] = field(default_factory=list)
    lasts: list[torch.Tensor] = field(default_factory=list)
    at: list[int] = field(default_factory=list)

    def add(self, vae: Any, chance: np.random.Generator, count: int) -> None:
        """Draw and encode `count` more."""
        scenes = [_scene(chance, self.size) for _ in range(count)]
        at = [_last(chance, self.size.frames) for _ in scenes]
        shown = drawn(scenes, self.size)
        lasts = torch.stack([shown[index, :, [frame]] for index, frame in enumerate(at)])
        clips, single = encoded(vae, shown), encoded(vae, lasts)
        self.scenes += scenes
        self.clips += list(clips.half())
        self.lasts += list(single.half())
        self.at += at

    def take(
        self, chance: np.random.Generator, count: int
    ) -> tuple[list[Scene], torch.Tensor, torch.Tensor, torch.Tensor]:
        """Some of them by chance: scenes, clips, last images, and the frames of these."""
        places = chance.integers(len(self.scenes), size=count)
        return (
            [self.scenes[place] for place in places],
            torch.stack([self.clips[place] for place in places]).float(),
            torch.stack([self.lasts[place] for place in places]).float(),
            torch.tensor([self.at[place] for place in places]),
        )


def drawn(scenes: Sequence[Scene], size: Size) -> torch.Tensor:
    """Their clips, shape (count, 3, frames, height, width), -1 to 1."""
    made = [clip(one, frames=size.frames, width=size.width, height=size.height) for one in scenes]
    return as_tensor(np.stack(made))


def encoded(vae: Any, shown: torch.Tensor) -> torch.Tensor:
    """Normalised latents of clips or images, shape (count, channels, frames, rows, columns)."""
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        mode = vae.encode(shown).latent_dist.mode().float()
    latents: torch.Tensor = (mode - _channels(vae.latents_mean)) / _channels(vae.latents_std)
    return latents


def decoded(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    """Frames of normalised latents, shape (count, 3, frames, height, width), -1 to 1."""
    values = latents * _channels(vae.latents_std) + _channels(vae.latents_mean)
    with torch.no_grad():
        frames: torch.Tensor = vae.decode(values).sample
    return frames.clamp(-1, 1)


def set_statistics(vae: Any, shown: torch.Tensor) -> None:
    """Have the VAE know the mean and deviation of its latents' channels, as these clips have them.

    A channel that says nearly nothing is not blown up.
    """
    vae.latents_mean.zero_()
    vae.latents_std.fill_(1)
    latents = encoded(vae, shown).transpose(0, 1).flatten(1)
    deviations = latents.std(1)
    vae.latents_mean.copy_(latents.mean(1))
    vae.latents_std.copy_(deviations.clamp(min=float(deviations.median()) / 4))


def _channels(values: torch.Tensor) -> torch.Tensor:
    return values.view(1, -1, 1, 1, 1)


def _scene(chance: np.random.Generator, size: Size) -> Scene:
    side = min(size.width, size.height)
    while True:
        made = any_scene(chance, width=size.width / side, height=size.height / side)
        if trainable(made):
            return made


def _last(chance: np.random.Generator, frames: int) -> int:
    if chance.random() < AT_THE_END:
        return frames - 1
    return frames - 1 - int(chance.integers(1, min(BEFORE_THE_END, frames - 2) + 1))
