"""FreeInit: the clip is made three times, each from the slow motion of the one before.

What ModelsLab calls improved sampling (https://huggingface.co/papers/2312.07537).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from ..generation import Parameters
from .family import Pipeline

if TYPE_CHECKING:
    import torch

#: Diffusers' own default.
ROUNDS = 3


def rounds(parameters: Parameters) -> int:
    """How often a pipeline goes through its steps."""
    return ROUNDS if parameters.use_improved_sampling else 1


@contextmanager
def refined(pipeline: Pipeline, parameters: Parameters) -> Iterator[None]:
    """Within, the pipeline samples in rounds, if that is asked for.

    The noise between rounds comes from improved_sampling_seed alone: diffusers would take it from
    the generator of the first noise.
    """
    if not parameters.use_improved_sampling:
        yield
        return
    import torch

    generator = torch.Generator("cpu").manual_seed(parameters.improved_sampling_seed or 0)
    pipeline.enable_free_init(num_iters=ROUNDS)
    pipeline.__dict__["_apply_free_init"] = partial(
        _noised_again, pipeline, parameters.num_inference_steps, generator
    )
    try:
        yield
    finally:
        del pipeline.__dict__["_apply_free_init"]
        pipeline.__dict__.pop("_free_init_initial_noise", None)
        pipeline.disable_free_init()


def _noised_again(
    pipeline: Pipeline,
    steps: int | None,
    generator: torch.Generator,
    latents: torch.Tensor,
    done: int,
    _steps_left: int,
    device: torch.device,
    dtype: torch.dtype,
    _generator: torch.Generator,
) -> tuple[torch.Tensor, Any]:
    """Diffusers' `_apply_free_init` but for three things.

    The seed; the steps, of which it would do fewer each round in video2video, where it is given
    what the strength has left of them; and the noise's loudness, which it takes to be 1.
    """
    import torch
    from diffusers.utils.torch_utils import randn_tensor

    scheduler = pipeline.scheduler
    scheduler.set_timesteps(steps, device=device)
    if done == 0:
        pipeline._free_init_initial_noise = latents.detach().clone()
        return latents, scheduler.timesteps
    loudness = float(scheduler.init_noise_sigma)
    last = torch.full((len(latents),), scheduler.config.num_train_timesteps - 1, device=device)
    noisy = scheduler.add_noise(latents, pipeline._free_init_initial_noise / loudness, last.long())
    fresh = randn_tensor(latents.shape, generator=generator, device=device, dtype=torch.float32)
    mixed = pipeline._apply_freq_filter(
        noisy.float(), fresh * loudness, low_pass_filter=_slow(latents.shape, device)
    )
    return mixed.to(dtype), scheduler.timesteps


def _slow(shape: torch.Size, device: torch.device) -> torch.Tensor:
    """How much of each frequency is kept: diffusers' default filter, Butterworth of order 4.

    Shape (1, 1, frames, height, width). Diffusers fills it in number by number, which takes
    seconds for a large clip.
    """
    import torch

    squares = [(2 * torch.arange(n, dtype=torch.float64) / n - 1) ** 2 for n in shape[-3:]]
    time, height, width = squares
    distance = time[:, None, None] + height[:, None] + width
    return (1 / (1 + (distance / 0.25**2) ** 4)).float().to(device)[None, None]
