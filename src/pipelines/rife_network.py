"""RIFE's network, version 4.22 lite: two frames and a moment between them make a third.

Written anew after Practical-RIFE (https://github.com/hzwer/Practical-RIFE, MIT, (c) 2021 Zhewei
Huang); names and shapes of the weights are those of its published files.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample, interpolate, pad

from ..errors import ModelNotLoaded

#: Channels within each block, from coarse to fine, and within the encoder.
WIDTHS = (192, 128, 64, 32)
ENCODER_WIDTH = 16
#: How much smaller than the frame each block looks at it.
REDUCTIONS = (8, 4, 2, 1)
#: Channels of a frame's encoding; of what a block tells the next: a mask, and the rest.
ENCODED, TOLD = 4, 1 + 8
#: Horizontal and vertical, from the moment back to either frame.
FLOWS = 4
#: A block halves what it sees twice.
STRIDE = 4
#: Frames are padded up to multiples of this, times 1 / scale, where that is not beyond reason.
MULTIPLE = STRIDE * REDUCTIONS[0]
MOST_MULTIPLES = 4

CONFIG, WEIGHTS = "config.json", "model.safetensors"


@dataclass(frozen=True)
class Frame:
    """A frame, and what the network makes of it by itself."""

    #: Shape (1, 3, height, width), float32 from 0 to 1.
    pixels: Tensor
    encoding: Tensor


class IFNet(nn.Module):
    """Four blocks, each correcting the flows by what they make of the two frames so far."""

    def __init__(self, widths: Sequence[int] = WIDTHS, encoder_width: int = ENCODER_WIDTH) -> None:
        """The published network, or one of other widths."""
        super().__init__()
        self.config = {"widths": list(widths), "encoder_width": encoder_width}
        self.encode = _Encoder(encoder_width)
        seen = 2 * (3 + ENCODED) + 1
        for number, width in enumerate(widths):
            self.add_module(f"block{number}", _Block(seen, width))
            seen = 2 * (3 + ENCODED) + 1 + TOLD + FLOWS

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.encode.cnn0.weight.device

    def encoded(self, pixels: Tensor) -> Frame:
        """A frame as `between` takes it; its size must be a multiple of 2."""
        encoding = self.encode(pixels.to(self.encode.cnn0.weight.dtype))
        return Frame(pixels=pixels, encoding=encoding.float())

    def between(self, before: Frame, after: Frame, *, share: float, scale: float) -> Tensor:
        """The frame at `share` of the time from one to the other, shape (1, 3, height, width).

        `scale` is the size at which the finest block looks for motion, over the frame's own.
        """
        height, width = before.pixels.shape[2:]
        moment = torch.full_like(before.pixels[:, :1], share)
        first, last, told, flow = before, after, moment[:, :0], None
        for number, reduction in enumerate(REDUCTIONS):
            seen = (first.pixels, last.pixels, first.encoding, last.encoding, moment, told)
            size = _reduced(height, reduction / scale), _reduced(width, reduction / scale)
            block = self.get_submodule(f"block{number}")
            change, told = block(torch.cat(seen, dim=1), flow, size)
            flow = change if flow is None else flow + change
            first, last = _moved(before, flow[:, :2]), _moved(after, flow[:, 2:])
        mask = told[:, :1].sigmoid()
        return first.pixels * mask + last.pixels * (1 - mask)

    def save_pretrained(self, folder: Path, *, safe_serialization: bool = True) -> None:
        """Write a configuration and safetensors, which is the only form that there is."""
        from safetensors.torch import save_file

        if not safe_serialization:
            raise ValueError("safe_serialization must be True")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CONFIG).write_text(json.dumps(self.config, indent=2) + "\n", "utf-8")
        tensors = {name: value.contiguous() for name, value in self.state_dict().items()}
        save_file(tensors, folder / WEIGHTS)

    @classmethod
    def from_pretrained(cls, folder: Path) -> IFNet:
        """Read what `save_pretrained` wrote; raises ModelNotLoaded for anything else."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            network = cls(**json.loads((folder / CONFIG).read_text("utf-8")))
            network.load_state_dict(load_file(folder / WEIGHTS))
        except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
            raise ModelNotLoaded(f"{folder}: {error}") from error
        return network.eval()


def padded(pixels: Tensor, scale: float) -> Tensor:
    """The frame drawn out to the right and below, so that every block sees whole pixels."""
    multiple = MULTIPLE * min(MOST_MULTIPLES, math.ceil(1 / scale))
    height, width = pixels.shape[2:]
    # The edge and not black, as published: a frame that moves would drag the black in.
    return pad(pixels, (0, -width % multiple, 0, -height % multiple), mode="replicate")


def warped(image: Tensor, flow: Tensor) -> Tensor:
    """What lies `flow` pixels (x, y) away from each pixel; beyond the edge, the edge.

    In float32: half precision cannot tell neighbouring pixels of a wide frame apart.
    """
    height, width = image.shape[2:]
    x = torch.arange(width, device=image.device) + flow[:, 0]
    y = torch.arange(height, device=image.device)[:, None] + flow[:, 1]
    grid = torch.stack((2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1), dim=-1)
    return grid_sample(image, grid, padding_mode="border", align_corners=True)


def _moved(frame: Frame, flow: Tensor) -> Frame:
    return Frame(pixels=warped(frame.pixels, flow), encoding=warped(frame.encoding, flow))


def _reduced(side: int, reduction: float) -> int:
    """A side at a block's resolution, which its strides must divide."""
    return max(1, round(side / reduction / STRIDE)) * STRIDE


class _Encoder(nn.Module):
    """A few numbers for each pixel that are easier to find again than its colours."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cnn0 = nn.Conv2d(3, width, 3, 2, 1)
        self.cnn1 = nn.Conv2d(width, width, 3, 1, 1)
        self.cnn2 = nn.Conv2d(width, width, 3, 1, 1)
        self.cnn3 = nn.ConvTranspose2d(width, ENCODED, 4, 2, 1)
        self.relu = nn.LeakyReLU(0.2)

    def forward(self, pixels: Tensor) -> Tensor:
        inner = self.relu(self.cnn0(pixels))
        inner = self.relu(self.cnn2(self.relu(self.cnn1(inner))))
        encoding: Tensor = self.cnn3(inner)
        return encoding


class _Block(nn.Module):
    """Looks at everything at one resolution, and corrects the flows."""

    def __init__(self, seen: int, width: int) -> None:
        super().__init__()
        self.conv0 = nn.Sequential(_halving(seen, width // 2), _halving(width // 2, width))
        self.convblock = nn.Sequential(*(_Residual(width) for _ in range(8)))
        given = (FLOWS + TOLD) * 4  # four pixels in the place of one
        self.lastconv = nn.Sequential(nn.ConvTranspose2d(width, given, 4, 2, 1), nn.PixelShuffle(2))

    def forward(
        self, seen: Tensor, flow: Tensor | None, size: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """What to add to the flows, and what to tell the next block, both at full size."""
        height, width = seen.shape[2:]
        # Flows are counted in pixels, so that they shrink and grow with the picture.
        pixels = seen.new_tensor([width / size[1], height / size[0]] * 2).view(1, FLOWS, 1, 1)
        inputs = _resized(seen, size)
        if flow is not None:
            inputs = torch.cat((inputs, _resized(flow, size) / pixels), dim=1)
        inner = self.convblock(self.conv0(inputs.to(self.lastconv.get_parameter("0.weight").dtype)))
        result = _resized(self.lastconv(inner).float(), (height, width))
        return result[:, :FLOWS] * pixels, result[:, FLOWS:]


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, 1, 1)
        self.beta = nn.Parameter(torch.ones(1, width, 1, 1))
        self.relu = nn.LeakyReLU(0.2)

    def forward(self, inner: Tensor) -> Tensor:
        result: Tensor = self.relu(self.conv(inner) * self.beta + inner)
        return result


def _halving(seen: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(seen, width, 3, 2, 1), nn.LeakyReLU(0.2))


def _resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    return interpolate(image, size, mode="bilinear", align_corners=False)
