"""Clips on the way from noise, as tokens: what LTXConditionPipeline shows its transformer.

The way is a straight line. The first latent frame may be given, its time then is 0; an image for
a later frame is given beside the clip, as tokens of their own that have that frame's place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from diffusers import LTXConditionPipeline

#: What the pipeline puts on given frames, at the beginning of its way.
GIVEN_NOISE = 0.025
#: Half of the pipeline's steps are within a fortieth of pure noise.
NEARLY_NOISE = 0.2


@dataclass(frozen=True)
class Batch:
    """Some clips with their words.

    `clips` (N, channels, frames, rows, columns) are normalised latents; `first` (N) says whose
    first frame is given; `lasts` (N, channels, 1, rows, columns) are images for the frames `at`
    (N), where any are given; `rate` is in frames a second.
    """

    prompts: list[str]
    clips: torch.Tensor
    lasts: torch.Tensor | None
    at: torch.Tensor
    first: torch.Tensor
    rate: float


@dataclass(frozen=True)
class Tokens:
    """What the transformer sees, and what it should answer.

    `noised` (N, tokens, channels), `times` (N, tokens) of 0 to 1000, `coordinates` (N, 3, tokens)
    in seconds and pixels; of the answer the last ones are the clip's, where it should be `target`
    wherever `judged`.
    """

    noised: torch.Tensor
    times: torch.Tensor
    coordinates: torch.Tensor
    target: torch.Tensor
    judged: torch.Tensor


def noised(batch: Batch) -> Tokens:
    """The batch, each clip at some place of its way."""
    clean = LTXConditionPipeline._pack_latents(batch.clips)
    count, tokens, _ = clean.shape
    grid = batch.clips.shape[2:]
    level = _noise_levels(count).view(-1, 1, 1)
    noise = torch.randn_like(clean)
    given = torch.zeros(count, tokens, dtype=torch.bool)
    given[:, : grid[1] * grid[2]] = batch.first[:, None]
    slightly = GIVEN_NOISE * level**2
    shown = torch.where(given[..., None], clean + slightly * noise, torch.lerp(clean, noise, level))
    times = torch.where(given, 0.0, 1000 * level[..., 0])
    coordinates = _coordinates(count, grid)
    if batch.lasts is not None:
        last = LTXConditionPipeline._pack_latents(batch.lasts)
        shown = torch.cat([last + slightly * torch.randn_like(last), shown], 1)
        times = torch.cat([torch.zeros(last.shape[:2]), times], 1)
        place = _coordinates(count, (1, *grid[1:]))
        place[:, 0] += batch.at[:, None]
        coordinates = torch.cat([place, coordinates], 2)
    coordinates[:, 0] /= batch.rate
    return Tokens(shown, times, coordinates, target=noise - clean, judged=~given)


def _noise_levels(count: int) -> torch.Tensor:
    """Shares of noise, more of the high ones."""
    middle = torch.sigmoid(0.6 + 1.2 * torch.randn(count))
    nearly = 1 - 0.05 * torch.rand(count)
    return torch.where(torch.rand(count) < NEARLY_NOISE, nearly, middle)


def _coordinates(count: int, grid: Any) -> torch.Tensor:
    """Frames and pixels of the tokens, as the pipeline has them."""
    ids = LTXConditionPipeline._prepare_video_ids(count, *grid)
    scaled = LTXConditionPipeline._scale_video_ids(ids, scale_factor=32, scale_factor_t=8)
    coordinates: torch.Tensor = scaled.float()
    return coordinates
