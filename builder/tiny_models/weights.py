"""Random weights that behave: the same in every run, smooth in space, loud enough to be seen."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def seeded(name: str) -> Iterator[None]:
    """Within, torch's results follow from the name alone; outside, nothing has changed.

    One thread, since sums depend on how many share them; at this size it is quicker, too.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(zlib.crc32(name.encode()))
            yield
    finally:
        torch.set_num_threads(threads)


def smooth(module: nn.Module) -> None:
    """Make every convolution a random mix of channels behind a soft blur.

    Random kernels give frames of pure noise, which are hard on the eye and on an encoder;
    these give soft colours. Kernels of one pixel keep what they have.
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Conv3d):
            mix = part.weight.sum(dim=tuple(range(2, part.weight.ndim)), keepdim=True)
            part.weight.copy_(mix * _bell(part.kernel_size))


def set_output(
    layer: nn.Module, *, std: float, run: Callable[[], Tensor], channels: int | None = None
) -> None:
    """Scale the last layer so that what `run` gives has mean 0 and this deviation.

    Over all of it, or for each channel by itself; `channels` is the dimension that holds them.
    """
    result = run()
    around = [axis for axis in range(result.ndim) if axis != channels]
    scale = std / result.std(dim=around)
    weight, bias = layer.get_parameter("weight"), layer.get_parameter("bias")
    weight.mul_(scale.view(-1, *[1] * (weight.ndim - 1)))
    bias.sub_(result.mean(dim=around)).mul_(scale)


def _bell(kernel_size: tuple[int, ...]) -> Tensor:
    """Binomial weights that sum to 1: (1, 2, 1) / 4 along each axis of three."""
    kernel = torch.ones(())
    for length in kernel_size:
        row = torch.tensor([math.comb(length - 1, k) for k in range(length)], dtype=torch.float32)
        kernel = kernel[..., None] * (row / row.sum())
    return kernel
