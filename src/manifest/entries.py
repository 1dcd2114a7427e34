"""The lines of a manifest: what a model, an adapter and a tool are, and what each must say."""

from __future__ import annotations

from dataclasses import fields
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    field_validator,
    model_validator,
)

from ..generation import Parameters, Task

Dtype = Literal["float32", "float16", "bfloat16"]
#: owner/name on the Hugging Face Hub, which is also the folder under MODELS_DIR. Neither part
#: starts with a dot, so that it cannot climb out of there.
Repo = Annotated[str, Field(pattern=r"^[\w-][\w.-]*/[\w-][\w.-]*$")]

#: Without these there is no clip to speak of, so every model says its own.
REQUIRED_DEFAULTS = frozenset({"width", "height", "num_frames", "fps", "num_inference_steps"})


class Record(BaseModel):
    """A frozen record that knows all its keys: a misspelt one is an error at start."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Limits(Record):
    """The ceiling for one model; what is above it is an error, never cut down.

    `pixels` are those of one frame. The operator may set each higher or lower.
    """

    pixels: int = Field(gt=0)
    num_frames: int = Field(gt=0)
    num_inference_steps: int = Field(gt=0)
    guidance_scale: float = Field(default=30.0, ge=0)


class Acceleration(Record):
    """How a model is made faster or smaller than diffusers runs it; nothing is, by default.

    Set by the operator: all but `compile` and the exact attention backends change the frames.
    What does not go together, or not with a model, is refused at start.
    """

    #: A step cache of diffusers: steps that differ little from the one before are not computed.
    cache: Literal["first_block", "mag", "pyramid_attention", "sea", "taylorseer"] | None = None
    #: What diffusers' configuration of that cache takes, by its names (FirstBlockCacheConfig, ...).
    cache_options: dict[str, Any] = {}
    #: One of diffusers' attention backends, such as "_native_cudnn", "flash" or "sage".
    attention: str | None = None
    #: Compile the blocks that the denoiser repeats; each new size costs the next job some time.
    compile: bool = False
    #: What the denoiser's weights are kept in; they are computed with in the model's dtype.
    layerwise_casting: Literal["float8_e4m3fn", "float8_e5m2"] | None = None

    @model_validator(mode="after")
    def _options_have_a_cache(self) -> Acceleration:
        if self.cache_options and not self.cache:
            raise ValueError("cache_options are given, but no cache")
        return self


class ModelEntry(Record):
    """One line of the manifest."""

    id: str
    aliases: tuple[str, ...] = ()
    #: The code that it shares with its like; a key of pipelines.FAMILIES.
    family: str
    repo: Repo
    #: Components that come from another repository, such as a motion adapter.
    components: dict[str, Repo] = {}
    licence: str
    #: Where its figures are documented.
    source: str = ""
    tasks: frozenset[Task] = Field(min_length=1)
    #: What most components are served in on a GPU; the CPU takes float32.
    dtype: Dtype = "float16"
    #: Components whose authors advise another dtype.
    dtypes: dict[str, Dtype] = {}
    #: What its weights have and others of its family have not, in the family's words
    #: (`Family.needs`), such as a second expert.
    features: frozenset[str] = frozenset()
    #: Widths and heights that it can do are multiples of this, where that is more than its
    #: family's (`Family.size_multiple`).
    size_multiple: int | None = Field(default=None, gt=0)
    #: The model whose video2video is this one's second, upscaling pass; may be this one.
    upscaler: str | None = None
    #: The model's own defaults, for whoever asks without saying.
    defaults: dict[str, Any]
    #: Whether they go over what the caller's API documents, since it does little else well.
    defaults_first: bool = False
    limits: Limits
    #: Memory beside its weights for one clip at its defaults; without it, by the clip's size
    #: (`fitting.working_memory`). Decides what stays on the GPU.
    working_memory_gb: float | None = Field(default=None, gt=0)
    acceleration: Acceleration = Acceleration()

    @field_validator("defaults")
    @classmethod
    def _defaults_are_parameters(cls, value: dict[str, Any]) -> dict[str, Any]:
        _check_parameters(value)
        missing = REQUIRED_DEFAULTS - set(value)
        if missing:
            raise ValueError(f"missing: {', '.join(sorted(missing))}")
        return value

    @property
    def repos(self) -> tuple[Repo, ...]:
        """Every repository whose weights it needs."""
        return (self.repo, *self.components.values())

    @property
    def names(self) -> tuple[str, ...]:
        """What callers may call it."""
        return (self.id, *self.aliases)

    def default_parameters(self) -> Parameters:
        """The model's own defaults, as parameters."""
        return TypeAdapter(Parameters).validate_python(self.defaults)


def _check_parameters(defaults: dict[str, Any]) -> None:
    unknown = set(defaults) - {item.name for item in fields(Parameters)}
    if unknown:
        raise ValueError(f"not generation parameters: {', '.join(sorted(unknown))}")
    TypeAdapter(Parameters).validate_python(defaults)


class AdapterKind(StrEnum):
    """What an adapter does to the model that it is put on."""

    LORA = "lora"
    #: A LoRA on AnimateDiff's motion layers.
    MOTION_LORA = "motion_lora"
    #: A LoRA that belongs to a motion module.
    DOMAIN_LORA = "domain_lora"
    MOTION_MODULE = "motion_module"
    IP_ADAPTER = "ip_adapter"
    CONTROLNET = "controlnet"


class AdapterEntry(Record):
    """Weights that a request may put on a model for its own time."""

    id: str
    aliases: tuple[str, ...] = ()
    kind: AdapterKind
    #: Ids of the models that it fits.
    models: frozenset[str] = Field(min_length=1)
    #: None for a name that callers know and that stands for no change.
    repo: Repo | None = None
    #: The weights within the repository, where it has no layout that tells.
    file: str | None = Field(default=None, pattern=r"^[\w-][\w./-]*\.safetensors$")
    licence: str = ""
    source: str = ""
    #: What the family needs to know to use it, in the family's own words.
    options: dict[str, Any] = {}
    #: What it was made for, where the caller does not say: over what the caller's API documents.
    defaults: dict[str, Any] = {}

    @field_validator("defaults")
    @classmethod
    def _defaults_are_parameters(cls, value: dict[str, Any]) -> dict[str, Any]:
        _check_parameters(value)
        return value

    @property
    def repos(self) -> tuple[Repo, ...]:
        """Every repository whose weights it needs."""
        return (self.repo,) if self.repo else ()

    @property
    def names(self) -> tuple[str, ...]:
        """What callers may call it."""
        return (self.id, *self.aliases)

    def default_parameters(self) -> Parameters:
        """What it was made for, as parameters."""
        return TypeAdapter(Parameters).validate_python(self.defaults)


class ToolKind(StrEnum):
    """What a network does beside the models."""

    FRAME_INTERPOLATION = "frame_interpolation"
    PROMPT_ENHANCEMENT = "prompt_enhancement"


class ToolEntry(Record):
    """A network that helps any model."""

    id: str
    kind: ToolKind
    repo: Repo
    licence: str
    source: str = ""
    dtype: Dtype = "float16"

    @property
    def repos(self) -> tuple[Repo, ...]:
        """Every repository whose weights it needs."""
        return (self.repo,)


#: One line of the manifest.
Served = ModelEntry | AdapterEntry | ToolEntry
