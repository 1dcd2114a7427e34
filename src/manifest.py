"""What we serve: models, adapters and tools; where their weights come from, what they can do.

Data only (manifest.toml, and the operator's own file over it). Knows no folder, no torch and
no request; revisions are resolved when weights are baked and stand in a lock file, not here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from .errors import UnknownModel, shown
from .generation import Parameters, Task

PACKAGED = Path(__file__).with_name("manifest.toml")

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


class Manifest(Record):
    """Everything that is served."""

    models: tuple[ModelEntry, ...]
    adapters: tuple[AdapterEntry, ...] = ()
    tools: tuple[ToolEntry, ...] = ()

    @model_validator(mode="after")
    def _names_are_unique(self) -> Manifest:
        _check_unique((entry.id, entry.names) for entry in self.models)
        # Two models may each have their own adapter by one name, such as ModelsLab's.
        for model in sorted({model for item in self.adapters for model in item.models}):
            for kind in AdapterKind:
                fitting = self.adapters_for(model, kind)
                _check_unique((item.id, item.names) for item in fitting)
        return self

    @model_validator(mode="after")
    def _upscalers_are_models(self) -> Manifest:
        ids = {entry.id for entry in self.models}
        for entry in self.models:
            if entry.upscaler and entry.upscaler not in ids:
                raise ValueError(f"{entry.id}: upscaler {entry.upscaler} is not a model's id")
        return self

    def __iter__(self) -> Iterator[ModelEntry]:  # type: ignore[override]  # pydantic iterates fields
        return iter(self.models)

    def find(self, name: str) -> ModelEntry:
        """The model that goes by this id or alias, whatever its case.

        Raises UnknownModel, which lists the models present.
        """
        for entry in self.models:
            if _key(name) in map(_key, entry.names):
                return entry
        present = ", ".join(sorted(entry.id for entry in self.models)) or "none"
        raise UnknownModel(f"Model not found: {shown(name)}; present are: {present}")

    def adapters_for(self, model: str, kind: AdapterKind) -> tuple[AdapterEntry, ...]:
        """The adapters of a kind that fit a model, by its id."""
        return tuple(
            adapter for adapter in self.adapters if adapter.kind == kind and model in adapter.models
        )

    def tool(self, kind: ToolKind) -> ToolEntry | None:
        """The first tool of a kind."""
        return next((tool for tool in self.tools if tool.kind == kind), None)

    def only(self, is_there: Callable[[Served], bool]) -> Manifest:
        """A manifest of some of the models, adapters and tools; raises nothing for none.

        A model whose upscaler is left out does without.
        """
        models = [entry for entry in self.models if is_there(entry)]
        ids = {entry.id for entry in models}
        return Manifest(
            models=tuple(
                entry if entry.upscaler in ids else entry.model_copy(update={"upscaler": None})
                for entry in models
            ),
            adapters=tuple(filter(is_there, self.adapters)),
            tools=tuple(filter(is_there, self.tools)),
        )


#: One line of the manifest.
Served = ModelEntry | AdapterEntry | ToolEntry


def load_manifest(*paths: Path) -> Manifest:
    """Read manifests in order, a later one's keys over an earlier one's, line by line.

    Raises ValueError with the file and what is wrong with it, or the line and its wrong key.
    """
    tables: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
    for path in paths or (PACKAGED,):
        tables = _merged(tables, _tables(path))
    served = {
        kind: [_entry(kind, name, table) for name, table in tables[kind].items()] for kind in KINDS
    }
    try:
        return Manifest.model_validate(served)
    except ValidationError as error:
        raise ValueError(f"manifest: {_problems(error)}") from error


#: The tables of a manifest's file, and what each of their lines is.
KINDS: dict[str, type[ModelEntry] | type[AdapterEntry] | type[ToolEntry]] = {
    "models": ModelEntry,
    "adapters": AdapterEntry,
    "tools": ToolEntry,
}


def _tables(path: Path) -> dict[str, dict[str, Any]]:
    try:
        tables: dict[str, dict[str, Any]] = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"manifest {path}: {error}") from error
    unknown = tables.keys() - KINDS.keys()
    if unknown:
        raise ValueError(
            f"manifest {path}: tables must be among {', '.join(KINDS)}, "
            f"got {', '.join(sorted(unknown))}"
        )
    return tables


def _entry(kind: str, name: str, table: dict[str, Any]) -> Served:
    try:
        return KINDS[kind](id=name, **table)
    except ValidationError as error:
        raise ValueError(f"manifest, {kind}.{name}: {_problems(error)}") from error


def _problems(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}".removeprefix(": ")
        for problem in error.errors()
    )


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(under)
    for key, value in over.items():
        both_tables = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = _merged(result[key], value) if both_tables else value
    return result


def _check_unique(lines: Iterable[tuple[str, tuple[str, ...]]]) -> None:
    seen: dict[str, str] = {}
    for line, names in lines:
        for name in names:
            if _key(name) in seen:
                raise ValueError(f"{name} names both {seen[_key(name)]} and {line}")
            seen[_key(name)] = line


def _key(name: str) -> str:
    return name.strip().casefold()
