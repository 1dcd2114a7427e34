"""Frames in between by RIFE, for the clips of any family."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ..generation import Clip, Parameters
from .rife_network import Frame, IFNet, padded
from .shortage import memory_errors

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ..generation import FrameChunk


class Rife:
    """The network, in memory from its first use on: it takes ten megabytes, or twenty."""

    def __init__(self, folder: Path, *, device: torch.device, dtype: torch.dtype) -> None:
        """`folder` holds what `IFNet.save_pretrained` wrote."""
        self._folder = folder
        self._device = device
        self._dtype = dtype

    def interpolated(self, clip: Clip, parameters: Parameters) -> Clip:
        """The clip with parameters.rate_factor frames in the place of each but the last.

        Its own frames are left as they are, in their places; two of them are held. Raises
        ModelNotLoaded or OutOfMemory, the latter also while the chunks are read.
        """
        factor = parameters.rate_factor
        if factor == 1 or clip.num_frames == 1:
            return clip
        with memory_errors():
            network = self._network
        between = _Between(
            network, (clip.height, clip.width), parameters.frame_interpolation_scale or 1.0
        )
        return replace(
            clip,
            num_frames=(clip.num_frames - 1) * factor + 1,
            fps=clip.fps * factor,
            chunks=between.chunks(clip.chunks, factor),
        )

    @cached_property
    def _network(self) -> IFNet:
        return IFNet.from_pretrained(self._folder).to(self._device, self._dtype)


@dataclass(frozen=True)
class _Between:
    """What is the same for all frames of a clip."""

    network: IFNet
    #: Height and width.
    size: tuple[int, int]
    scale: float

    def chunks(self, chunks: Iterator[FrameChunk], factor: int) -> Iterator[FrameChunk]:
        """Frame by frame: one of the clip, those that follow it, the next of the clip."""
        frames = chain.from_iterable(chunks)
        own, before = next(frames, None), None
        while own is not None:
            yield own[None]
            before = before or self._encoded(own)
            own = next(frames, None)
            if own is not None:
                after = self._encoded(own)
                # Each moment from the clip's own two frames, which the network has learnt;
                # halving again and again would build guesses upon guesses.
                for step in range(1, factor):
                    yield self._frame(before, after, step / factor)
                before = after

    @torch.no_grad()
    def _encoded(self, frame: npt.NDArray[np.uint8]) -> Frame:
        with memory_errors():
            pixels = torch.tensor(frame, device=self.network.device).permute(2, 0, 1)[None] / 255
            return self.network.encoded(padded(pixels, self.scale))

    @torch.no_grad()
    def _frame(self, before: Frame, after: Frame, share: float) -> FrameChunk:
        height, width = self.size
        with memory_errors():
            pixels = self.network.between(before, after, share=share, scale=self.scale)
            cut = pixels[:, :, :height, :width].clamp(0, 1).mul(255).round().to(torch.uint8)
            chunk: FrameChunk = cut.permute(0, 2, 3, 1).contiguous().cpu().numpy()
        return chunk
