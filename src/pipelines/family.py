"""What a family of models is: a record of what its pipelines take, and the few lines that differ.

Knows no weights and no device. A family's file must import without torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..generation import Parameters, Task

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch
    from PIL.Image import Image

#: A diffusers pipeline; diffusers ships no types.
Pipeline = Any

#: Parameters that every family honours without sending them as they are: sizes and counts are
#: generated up and cut down, fps goes into the file, the seed into a generator.
COMMON = frozenset({"width", "height", "num_frames", "fps", "seed"})


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is generated so that what was asked for can be cut out of it."""

    width: int
    height: int
    num_frames: int
    generated_width: int
    generated_height: int
    generated_frames: int

    @property
    def left(self) -> int:
        """Columns cut off at the left; the rest of the surplus is at the right."""
        return (self.generated_width - self.width) // 2

    @property
    def top(self) -> int:
        """Rows cut off at the top; the rest of the surplus is at the bottom."""
        return (self.generated_height - self.height) // 2


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What one call of a pipeline is made from."""

    plan: Plan
    parameters: Parameters
    #: RGB, of the generated size.
    image: Image | None = None
    #: RGB frames of the generated size and number, shape (frames, height, width, 3).
    video: npt.NDArray[np.uint8] | None = None
    generator: torch.Generator


def nothing_more(_pipeline: Pipeline, _inputs: Inputs) -> dict[str, Any]:
    """Send no keywords beyond those of the table."""
    return {}


def as_it_is(_pipeline: Pipeline) -> None:
    """Leave a loaded pipeline as it is."""


@dataclass(frozen=True, kw_only=True)
class TaskPipeline:
    """How a family does one task."""

    #: The name of diffusers' class.
    pipeline: str
    #: Parameters that the pipeline takes under our own name.
    keywords: frozenset[str]
    #: Parameters that `more` puts to use in another way.
    indirect: frozenset[str] = frozenset()
    #: Further keywords of the call, made from the inputs.
    more: Callable[[Pipeline, Inputs], dict[str, Any]] = nothing_more
    #: False where the pipeline counts the frames of its input video instead.
    takes_num_frames: bool = True

    @property
    def honoured(self) -> frozenset[str]:
        """Every parameter that has an effect."""
        return self.keywords | self.indirect | COMMON

    def call_keywords(self, pipeline: Pipeline, inputs: Inputs) -> dict[str, Any]:
        """Everything that the pipeline is called with, but for the callback."""
        plan = inputs.plan
        keywords = {
            name: value
            for name, value in inputs.parameters.given().items()
            if name in self.keywords
        }
        keywords |= {"width": plan.generated_width, "height": plan.generated_height}
        if self.takes_num_frames:
            keywords["num_frames"] = plan.generated_frames
        keywords |= {"generator": inputs.generator, "output_type": "latent"}
        return keywords | self.more(pipeline, inputs)


@dataclass(frozen=True, kw_only=True)
class Family:
    """Models that share their code."""

    name: str
    tasks: Mapping[Task, TaskPipeline]
    #: Widths and heights that the pipelines can do are multiples of this.
    size_multiple: int
    #: The smallest side that the networks' strides leave something of.
    least_size: int = 64
    #: Frame counts that the pipelines can do are multiples of this, plus one; 1 is any count.
    frame_step: int = 1
    #: The fewest frames that the pipelines can do.
    least_frames: int = 1
    #: Latents of one clip -> frames in [-1, 1], in order, shape (1, 3, frames, height, width).
    decode: Callable[[Pipeline, torch.Tensor], Iterator[torch.Tensor]]
    #: What a pipeline needs once after loading, such as another scheduler.
    configure: Callable[[Pipeline], None] = as_it_is

    def plan(self, *, width: int, height: int, num_frames: int) -> Plan:
        """The next size and frame count up that the family can do."""
        return Plan(
            width=width,
            height=height,
            num_frames=num_frames,
            generated_width=self._size_up(width),
            generated_height=self._size_up(height),
            generated_frames=_up(max(num_frames, self.least_frames) - 1, self.frame_step) + 1,
        )

    def _size_up(self, size: int) -> int:
        return _up(max(size, self.least_size), self.size_multiple)


def _up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
