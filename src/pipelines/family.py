"""What a family of models is: a record of what its pipelines take, and the few lines that differ.

Knows no weights and no device. A family's file must import without torch.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..generation import Parameters, Sound, Sources, Task
from .adapters import NO_ADAPTERS, Adapters

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

#: A diffusers pipeline; diffusers ships no types.
Pipeline = Any

#: Parameters that every family honours without sending them as they are: sizes and counts are
#: generated up and cut down, fps goes into the file, the seed into a generator, and frames are
#: put in between when all are there.
COMMON = frozenset(
    {
        *("width", "height", "num_frames", "fps", "seed"),
        *("enable_frame_interpolation", "frame_interpolation_exp", "frame_interpolation_scale"),
    }
)
#: Honoured where diffusers' class loads LoRAs.
LORA = frozenset({"lora_models", "lora_strength"})
#: Honoured where the manifest names an upscaler for the model.
UPSCALING = frozenset(
    {
        *("upscale_width", "upscale_height", "upscale_strength"),
        *("upscale_guidance_scale", "upscale_num_inference_steps"),
    }
)


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
    #: Grown to the generated size and number of frames.
    sources: Sources = field(default_factory=Sources)
    generator: torch.Generator
    #: What the pipeline wears for this call.
    adapters: Adapters = NO_ADAPTERS

    @property
    def frames(self) -> list[Image]:
        """The frames of the input video, one by one, as diffusers' pipelines take them."""
        from PIL.Image import fromarray

        return (
            [] if self.sources.video is None else [fromarray(item) for item in self.sources.video]
        )


def nothing_more(_pipeline: Pipeline, _inputs: Inputs) -> dict[str, Any]:
    """Send no keywords beyond those of the table."""
    return {}


def the_image(_pipeline: Pipeline, inputs: Inputs) -> dict[str, Any]:
    """Send the image to start from."""
    return {"image": inputs.sources.image}


def the_video(_pipeline: Pipeline, inputs: Inputs) -> dict[str, Any]:
    """Send the frames to start from."""
    return {"video": inputs.frames}


def as_it_is(_pipeline: Pipeline) -> None:
    """Leave a loaded pipeline as it is."""


def nothing_changed(_pipeline: Pipeline, _inputs: Inputs) -> AbstractContextManager[None]:
    """Call the pipeline as it was loaded."""
    return nullcontext()


def silent(_pipeline: Pipeline, _output: Any, _inputs: Inputs) -> Sound | None:
    """No sound comes with the frames."""
    return None


@dataclass(frozen=True, kw_only=True)
class TaskPipeline:
    """How a family does one task."""

    #: The name of diffusers' class.
    pipeline: str
    #: The name of its class for calls with a ControlNet, where there is one.
    controlled: str = ""
    #: Parameters that the pipeline takes under our own name.
    keywords: frozenset[str]
    #: Parameters that `more` puts to use in another way.
    indirect: frozenset[str] = frozenset()
    #: Further keywords of the call, made from the inputs.
    more: Callable[[Pipeline, Inputs], dict[str, Any]] = nothing_more
    #: What is changed on the pipeline for one call, and put back after it.
    during: Callable[[Pipeline, Inputs], AbstractContextManager[None]] = nothing_changed
    #: How often the pipeline goes through all of its steps.
    rounds: Callable[[Parameters], int] = lambda _parameters: 1
    #: False where the pipeline counts the frames of its input video instead.
    takes_num_frames: bool = True
    #: False where the pipeline measures its input image or video instead.
    takes_size: bool = True

    @property
    def honoured(self) -> frozenset[str]:
        """Every parameter that has an effect; media go by the request's names for them."""
        shared = COMMON | ({"enhance_prompt"} if "prompt" in self.keywords else frozenset())
        return self.keywords | self.indirect | shared

    def call_keywords(self, pipeline: Pipeline, inputs: Inputs) -> dict[str, Any]:
        """Everything that the pipeline is called with, but for the callback."""
        plan = inputs.plan
        keywords = {
            name: value
            for name, value in inputs.parameters.given().items()
            if name in self.keywords
        }
        if self.takes_size:
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
    decode: Callable[[Pipeline, torch.Tensor, Inputs], Iterator[torch.Tensor]]
    #: What a pipeline gave besides frames -> what is heard with them.
    sound: Callable[[Pipeline, Any, Inputs], Sound | None] = silent
    #: What a pipeline is read from its folder in.
    reading: Callable[[], AbstractContextManager[None]] = nullcontext
    #: What a pipeline needs once after loading, such as another scheduler.
    configure: Callable[[Pipeline], None] = as_it_is
    #: Parameters that only some of the models honour -> the manifest's word for what these have.
    needs: Mapping[str, str] = field(default_factory=dict)
    #: Parameters that do nothing where another is not given, beyond those of any family.
    belongs_to: Mapping[str, str] = field(default_factory=dict)
    #: Parameters that a model with this feature was made for: without one, the caller is told.
    expects: Mapping[str, str] = field(default_factory=dict)
    #: Whether diffusers' classes load LoRAs.
    takes_lora: bool = True

    def honoured(self, task: Task, features: Collection[str]) -> frozenset[str]:
        """Every parameter that has an effect on a model with these features of the manifest."""
        names = self.tasks[task].honoured | (LORA if self.takes_lora else frozenset())
        return frozenset(
            name for name in names if name not in self.needs or self.needs[name] in features
        )

    def plan(
        self, *, width: int, height: int, num_frames: int, size_multiple: int | None = None
    ) -> Plan:
        """The next size and frame count up that the family, or one model with its own, can do."""
        multiple = size_multiple or self.size_multiple
        return Plan(
            width=width,
            height=height,
            num_frames=num_frames,
            generated_width=self._size_up(width, multiple),
            generated_height=self._size_up(height, multiple),
            generated_frames=_up(max(num_frames, self.least_frames) - 1, self.frame_step) + 1,
        )

    def _size_up(self, size: int, multiple: int) -> int:
        return _up(max(size, self.least_size), multiple)


def _up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
