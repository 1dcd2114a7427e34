"""Clips that the transformer has made anew from some noise: what its decoder is given in use.

They are a little off what the encoder makes of drawn ones, and off in the transformer's own way.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from .noising import coordinates
from .reading import encoded

#: Of Euler's, straight down.
STEPS = 5
RATE = 8.0


def made_anew(
    pipeline: Any, prompts: Sequence[str], clips: torch.Tensor, level: float
) -> torch.Tensor:
    """The clips, noised so far (0 to 1) and denoised by the prompts.

    Clips are normalised latents of shape (N, channels, frames, rows, columns).
    """
    grid = clips.shape[2:]
    times = np.linspace(level, 0, STEPS + 1)
    with torch.no_grad():
        told, mask = encoded(pipeline.text_encoder, pipeline.tokenizer, prompts)
        clean = pipeline._pack_latents(clips)
        tokens = torch.lerp(clean, torch.randn_like(clean), level)
        for time, after in pairwise(times):
            with torch.autocast("cpu", torch.bfloat16):
                velocity = pipeline.transformer(
                    hidden_states=tokens,
                    encoder_hidden_states=told,
                    timestep=torch.full(tokens.shape[:2], 1000 * time),
                    encoder_attention_mask=mask,
                    video_coords=coordinates(len(tokens), grid, RATE),
                    return_dict=False,
                )[0]
            tokens = tokens + (after - time) * velocity.float()
    made: torch.Tensor = pipeline._unpack_latents(tokens, *grid, 1, 1)
    return made
