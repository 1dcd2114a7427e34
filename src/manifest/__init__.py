"""What we serve: models, adapters and tools; where their weights come from, what they can do.

Data only (manifest.toml, and the operator's own file over it). Knows no folder, no torch and
no request; revisions are resolved when weights are baked and stand in a lock file, not here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError, model_validator

from ..errors import UnknownModel, shown
from .entries import (
    Acceleration,
    AdapterEntry,
    AdapterKind,
    Dtype,
    Limits,
    ModelEntry,
    Record,
    Repo,
    Served,
    ToolEntry,
    ToolKind,
)

__all__ = [
    "Manifest",
    "load_manifest",
    "PACKAGED",
    "ModelEntry",
    "AdapterEntry",
    "ToolEntry",
    "Served",
    "AdapterKind",
    "ToolKind",
    "Limits",
    "Acceleration",
    "Dtype",
    "Repo",
]

PACKAGED = Path(__file__).with_name("manifest.toml")


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
