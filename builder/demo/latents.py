"""Clips as the transformer sees them: encoded once, and kept."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from .batches import as_tensor
from .captions import trainable_mistake, trainable_scene
from .drawing import clip
from .run import load, save
from .scenes import Scene

SEED = 2027
#: How often there are two figures, anywhere and in the middle.
TWO, TWO_IN_MIDDLE = 0.15, 0.4
#: Clips that are drawn and encoded at a time, and such pieces between two savings.
PIECE = 16
SAVE_EVERY = 128

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

    def scenes(self, chance: np.random.Generator, count: int, **said: Any) -> list[Scene]:
        """So many that fill it and may be trained on; the rest is as for `any_scene`."""
        side = min(self.width, self.height)
        shape = {"width": self.width / side, "height": self.height / side}
        return [trainable_scene(chance, **shape, **said) for _ in range(count)]


@dataclass(frozen=True)
class Kind:
    """Of clips: their size, whether things move in the middle of it, and are mistaken for others.

    A shelf of mistaken ones has at every place what the other's scene may be taken for.
    """

    size: Size
    middle: bool
    mistaken: bool = False

    def __str__(self) -> str:
        """As a part of a file's name."""
        size = f"{self.size.width}x{self.size.height}x{self.size.frames}"
        return size + "-middle" * self.middle + "-mistaken" * self.mistaken


class Shelf:
    """Encoded clips of one kind, enough of them to be learnt from.

    `clips` (N, channels, frames, rows, columns) and `lasts` (N, channels, 1, rows, columns) are
    normalised, float16; `at` (N) is the frame that a last image was taken from. Of few clips the
    transformer learns by heart which shape is at which place, and need not read which is wanted.
    """

    def __init__(self, kind: Kind, folder: Path, vae: Any) -> None:
        """Takes the clips that the folder has kept of the kind, if they would be made again."""
        self.kind = kind
        self._vae, self._path = vae, folder / f"clips-{kind}.pt"
        self.clips, self.lasts = torch.empty(0), torch.empty(0)
        self.scenes: list[Scene] = []
        self.at: list[int] = []
        kept = load(self._path)
        if kept is not None and self._is_mine(kept):
            self._put(kept["clips"], kept["lasts"])

    def fill(self, count: int, workers: Executor) -> None:
        """Draw and encode until there are `count`, and keep them; they are the same in any run."""
        missing = range(len(self.clips), count, PIECE)
        with tqdm(
            desc=f"clips {self.kind}", total=len(missing) * PIECE, unit="clip", disable=None
        ) as bar:
            for first in range(0, len(missing), SAVE_EVERY):
                made = []
                starts = missing[first : first + SAVE_EVERY]
                for piece in workers.map(partial(_piece, self._vae, self.kind), starts):
                    made.append(piece)
                    bar.update(PIECE)
                self._add(made)

    def take(
        self, places: NDArray[np.int64]
    ) -> tuple[list[Scene], torch.Tensor, torch.Tensor, torch.Tensor]:
        """Those at the places: scenes, clips, last images, and the frames of these."""
        return (
            [self.scenes[place] for place in places],
            self.clips[places].float(),
            self.lasts[places].float(),
            torch.tensor([self.at[place] for place in places]),
        )

    def _add(self, pieces: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> None:
        before = [(self.clips, self.lasts)] if len(self.clips) else []
        clips, lasts = zip(*before, *pieces, strict=True)
        self._put(torch.cat(clips), torch.cat(lasts))
        marks = {"mean": self._vae.latents_mean, "first": self._first()}
        save(self._path, {"clips": self.clips, "lasts": self.lasts, **marks})

    def _is_mine(self, kept: dict[str, Any]) -> bool:
        """Whether this VAE has encoded them, which trained further has other statistics, and they
        show what is drawn by chance today.
        """
        same: bool = torch.equal(kept["mean"], self._vae.latents_mean)
        return same and kept["first"] == self._first()

    def _first(self) -> str:
        """What the first of them show."""
        return repr(_scenes(self.kind, 0))

    def _put(self, clips: torch.Tensor, lasts: torch.Tensor) -> None:
        """Have these, and know again what they show."""
        self.clips, self.lasts = clips, lasts
        for start in range(len(self.scenes), len(clips), PIECE):
            scenes, at = _scenes(self.kind, start)
            self.scenes += scenes
            self.at += at


def _piece(vae: Any, kind: Kind, start: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The encoded clips from `start` on, and their last images."""
    scenes, at = _scenes(kind, start)
    shown = drawn(scenes, kind.size)
    lasts = torch.stack([shown[index, :, [frame]] for index, frame in enumerate(at)])
    return encoded(vae, shown).half(), encoded(vae, lasts).half()


def _scenes(kind: Kind, start: int) -> tuple[list[Scene], list[int]]:
    """The scenes from `start` on, and the frames of their last images."""
    size, middle = kind.size, kind.middle
    chance = np.random.default_rng([SEED + middle, size.width, size.height, size.frames, start])
    scenes = size.scenes(chance, PIECE, two=TWO_IN_MIDDLE if middle else TWO, middle=middle)
    lasts = [_last(chance, size.frames) for _ in scenes]
    if kind.mistaken:
        scenes = [trainable_mistake(scene, chance) for scene in scenes]
    return scenes, lasts


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
    with torch.no_grad():
        frames: torch.Tensor = vae.decode(denormalised(vae, latents)).sample
    return frames.clamp(-1, 1)


def denormalised(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    """Latents as the VAE has them."""
    values: torch.Tensor = latents * _channels(vae.latents_std) + _channels(vae.latents_mean)
    return values


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


def _last(chance: np.random.Generator, frames: int) -> int:
    if chance.random() < AT_THE_END:
        return frames - 1
    return frames - 1 - int(chance.integers(1, min(BEFORE_THE_END, frames - 2) + 1))
