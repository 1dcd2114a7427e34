"""Clips that the transformer has made anew from some noise: what its decoder is given in use.

They are a little off what the encoder makes of drawn ones, and off in the transformer's own way.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from diffusers.pipelines.ltx.pipeline_ltx_condition import linear_quadratic_schedule

from .noising import coordinates
from .reading import encoded

#: Of the pipeline's schedule; near pure noise, where it takes half of its own, two do.
STEPS, NEARLY_NOISE_STEPS = 14, 2
#: The model's own.
GUIDANCE = 2.5
RATE = 8.0


def made_anew(
    pipeline: Any, prompts: Sequence[str], clips: torch.Tensor, level: float
) -> torch.Tensor:
    """The clips, noised so far (0 to 1) and denoised by the prompts with guidance.

    Clips are normalised latents of shape (N, channels, frames, rows, columns).
    """
    grid = clips.shape[2:]
    with torch.no_grad():
        told, mask = encoded(
            pipeline.text_encoder, pipeline.tokenizer, [*[""] * len(prompts), *prompts]
        )
        clean = pipeline._pack_latents(clips)
        tokens = torch.lerp(clean, torch.randn_like(clean), level)
        for time, after in pairwise(_levels(level)):
            with torch.autocast("cpu", torch.bfloat16):
                velocities = pipeline.transformer(
                    hidden_states=torch.cat([tokens, tokens]),
                    encoder_hidden_states=told,
                    timestep=torch.full((2 * len(tokens), tokens.shape[1]), 1000 * time),
                    encoder_attention_mask=mask,
                    video_coords=coordinates(2 * len(tokens), grid, RATE),
                    return_dict=False,
                )[0]
            untold, by_prompt = velocities.float().chunk(2)
            tokens = tokens + (after - time) * torch.lerp(untold, by_prompt, GUIDANCE)
    made: torch.Tensor = pipeline._unpack_latents(tokens, *grid, 1, 1)
    return made


def _levels(level: float) -> list[float]:
    """Shares of noise from `level` down to 0."""
    schedule = linear_quadratic_schedule(STEPS, linear_steps=NEARLY_NOISE_STEPS).tolist()
    return [level, *(value for value in schedule if value < level), 0.0]
