"""The models that we serve: what they are, where their weights come from, what they can do.

Data only (manifest.toml, and the operator's own file over it). Knows no folder, no torch and
no request; revisions are resolved when weights are baked and stand in a lock file, not here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields
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
    #: The model's own defaults, for whoever asks without saying.
    defaults: dict[str, Any]
    limits: Limits

    @field_validator("defaults")
    @classmethod
    def _defaults_are_parameters(cls, value: dict[str, Any]) -> dict[str, Any]:
        unknown = set(value) - {item.name for item in fields(Parameters)}
        if unknown:
            raise ValueError(f"not generation parameters: {', '.join(sorted(unknown))}")
        missing = REQUIRED_DEFAULTS - set(value)
        if missing:
            raise ValueError(f"missing: {', '.join(sorted(missing))}")
        TypeAdapter(Parameters).validate_python(value)
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


class Manifest(Record):
    """Every model, by id."""

    models: tuple[ModelEntry, ...]

    @model_validator(mode="after")
    def _names_are_unique(self) -> Manifest:
        seen: dict[str, str] = {}
        for entry in self.models:
            for name in entry.names:
                key = _key(name)
                if key in seen:
                    raise ValueError(f"{name} names both {seen[key]} and {entry.id}")
                seen[key] = entry.id
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

    def only(self, entries: Iterator[ModelEntry] | list[ModelEntry]) -> Manifest:
        """A manifest of some of the models."""
        return Manifest(models=tuple(entries))


def load_manifest(*paths: Path) -> Manifest:
    """Read manifests in order, a later one's keys over an earlier one's, model by model.

    Raises ValueError with the file and what is wrong with it, or the model and its wrong key.
    """
    tables: dict[str, dict[str, Any]] = {}
    for path in paths or (PACKAGED,):
        for name, table in _tables(path).items():
            tables[name] = _merged(tables.get(name, {}), table)
    return Manifest(models=tuple(_entry(name, table) for name, table in tables.items()))


def _tables(path: Path) -> dict[str, dict[str, Any]]:
    try:
        tables: dict[str, dict[str, Any]] = tomllib.loads(path.read_text("utf-8")).get("models", {})
    except (OSError, ValueError) as error:
        raise ValueError(f"manifest {path}: {error}") from error
    return tables


def _entry(name: str, table: dict[str, Any]) -> ModelEntry:
    try:
        return ModelEntry(id=name, **table)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()
        )
        raise ValueError(f"manifest, models.{name}: {problems}") from error


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(under)
    for key, value in over.items():
        both_tables = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = _merged(result[key], value) if both_tables else value
    return result


def _key(name: str) -> str:
    return name.strip().casefold()
