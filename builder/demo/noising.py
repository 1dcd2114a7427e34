"""Clips on the way from noise, as tokens: what LTXConditionPipeline shows its transformer.

The way is a straight line. The first latent frame may be given, its time then is 0; an image for
a later frame is given beside the clip, as tokens of their own that have that frame's place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from diffusers import LTXConditionPipeline

#: What the pipeline puts on given frames, at the beginning of its way.
GIVEN_NOISE = 0.025
#: Half of the pipeline's steps are within a fortieth of pure noise.
NEARLY_NOISE = 0.2
#: How often a clip is led towards what it may be taken for, and how far at most. On its way from
#: noise it is led so by the transformer's own errors, and who never saw that keeps them.
LED, FARTHEST = 0.5, 0.4


@dataclass(frozen=True)
class Batch:
    """Some clips with their words.

    `clips` (N, channels, frames, rows, columns) are normalised latents; `first` (N) says whose
    first frame is given; `lasts` (N, channels, 1, rows, columns) are images for the frames `at`
    (N), where any are given; `mistaken`, of the clips' shape, is what they may be taken for, where
    it is known; `most` (N) is how much noise there may be, 0 to 1; `rate` is in frames a second.
    """

    prompts: list[str]
    clips: torch.Tensor
    lasts: torch.Tensor | None
    at: torch.Tensor
    mistaken: torch.Tensor | None
    first: torch.Tensor
    most: torch.Tensor
    rate: float


@dataclass(frozen=True)
class Tokens:
    """What the transformer sees, and what it should answer.

    `noised` (N, tokens, channels), `times` (N, tokens) of 0 to 1000, `coordinates` (N, 3, tokens)
    in seconds and pixels; of the answer the last ones are the clip's, where it should be `target`
    wherever `judged`, which leads back too what was led astray; `astray` (N, clip's tokens,
    channels) leads to what it may be taken for, and is of length 1, or 0 where that is not known.
    """

    noised: torch.Tensor
    times: torch.Tensor
    coordinates: torch.Tensor
    target: torch.Tensor
    judged: torch.Tensor
    astray: torch.Tensor


def noised(batch: Batch) -> Tokens:
    """The batch, each clip at some place of its way."""
    clean = LTXConditionPipeline._pack_latents(batch.clips)
    count, tokens, _ = clean.shape
    grid = batch.clips.shape[2:]
    level = (_noise_levels(count) * batch.most).view(-1, 1, 1)
    noise = torch.randn_like(clean)
    given = torch.zeros(count, tokens, dtype=torch.bool)
    given[:, : grid[1] * grid[2]] = batch.first[:, None]
    slightly = GIVEN_NOISE * level**2
    way = _way_astray(batch, clean) * ~given[..., None]
    far = _share_led(level) * way
    target = noise - clean + far * (1 - level) / level.clamp(min=1e-6)
    on_the_way = torch.lerp(clean + far, noise, level)
    shown = torch.where(given[..., None], clean + slightly * noise, on_the_way)
    times = torch.where(given, 0.0, 1000 * level[..., 0])
    places = coordinates(count, grid, batch.rate)
    if batch.lasts is not None:
        last = LTXConditionPipeline._pack_latents(batch.lasts)
        shown = torch.cat([last + slightly * torch.randn_like(last), shown], 1)
        times = torch.cat([torch.zeros(last.shape[:2]), times], 1)
        place = coordinates(count, (1, *grid[1:]), batch.rate)
        place[:, 0] += batch.at[:, None] / batch.rate
        places = torch.cat([place, places], 2)
    return Tokens(shown, times, places, target=target, judged=~given, astray=_unit(way))


def _way_astray(batch: Batch, clean: torch.Tensor) -> torch.Tensor:
    """From the clips to what they may be taken for, as tokens; 0 where that is not known."""
    if batch.mistaken is None:
        return torch.zeros_like(clean)
    mistaken: torch.Tensor = LTXConditionPipeline._pack_latents(batch.mistaken)
    return mistaken - clean


def _share_led(level: torch.Tensor) -> torch.Tensor:
    """Of that way. With little noise left less, or else the way back were too steep."""
    far = FARTHEST * torch.rand_like(level) * (torch.rand_like(level) < LED)
    return far * (level / (1 - level)).clamp(max=1)


def _unit(ways: torch.Tensor) -> torch.Tensor:
    """Each of length 1, or of 0 where it leads nowhere."""
    made: torch.Tensor = ways / ways.flatten(1).norm(dim=1).clamp(min=1e-6).view(-1, 1, 1)
    return made


def _noise_levels(count: int) -> torch.Tensor:
    """Shares of noise, more of the high ones."""
    middle = torch.sigmoid(0.6 + 1.2 * torch.randn(count))
    nearly = 1 - 0.05 * torch.rand(count)
    return torch.where(torch.rand(count) < NEARLY_NOISE, nearly, middle)


def coordinates(count: int, grid: Sequence[int], rate: float) -> torch.Tensor:
    """Where the tokens are, shape (count, 3, tokens): in seconds and pixels, as in the pipeline.

    `grid` is of latent frames, rows and columns, `rate` in frames a second.
    """
    ids = LTXConditionPipeline._prepare_video_ids(count, *grid)
    scaled = LTXConditionPipeline._scale_video_ids(ids, scale_factor=32, scale_factor_t=8)
    places: torch.Tensor = scaled.float()
    places[:, 0] /= rate
    return places
