"""What of which repositories the chosen models, adapters and tools need, and in which dtypes.

Reads the manifest and the families' records; asks nobody.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from ...manifest import AdapterEntry, AdapterKind, Manifest, ModelEntry, ToolEntry, ToolKind
from .. import FAMILIES

#: served: as the manifest says for a GPU. published: as it comes.
Stored = Literal["served", "published"]
#: The repository's own folder.
ROOT = ""


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What is needed of one repository; a dtype of None is that of the published file."""

    #: Components that a pipeline has a use for -> dtype; None for what is no pipeline.
    components: Mapping[str, str | None] | None = None
    #: Folders with one network each, its configuration and what belongs to it.
    folders: Mapping[str, str | None] = field(default_factory=dict)
    #: Files of weights that are needed for themselves.
    files: Mapping[str, str | None] = field(default_factory=dict)
    #: Whether the one LoRA of the repository is needed, by whatever name.
    lora: bool = False
    #: Whether RIFE's pickle is to be converted.
    rife: bool = False

    def __or__(self, other: Needs) -> Needs:
        """What both need."""
        components = (
            _both(self.components or {}, other.components or {})
            if self.components is not None or other.components is not None
            else None
        )
        return Needs(
            components=components,
            folders=_both(self.folders, other.folders),
            files=_both(self.files, other.files),
            lora=self.lora or other.lora,
            rife=self.rife or other.rife,
        )


def needs(chosen: Manifest, stored: Stored) -> dict[str, Needs]:
    """What everything chosen needs, by repository in the manifest's order."""
    found: dict[str, Needs] = {}
    for repo, needed in _all(chosen, stored):
        found[repo] = found[repo] | needed if repo in found else needed
    return found


def _all(chosen: Manifest, stored: Stored) -> Iterator[tuple[str, Needs]]:
    for entry in chosen.models:
        yield from _of_model(entry, stored)
    for adapter in chosen.adapters:
        if adapter.repo:
            yield adapter.repo, _of_adapter(adapter, _dtype_beside(adapter, chosen, stored))
    for tool in chosen.tools:
        yield tool.repo, _of_tool(tool, stored)


def taken(entry: ModelEntry) -> frozenset[str]:
    """The components that a model's pipelines take, whichever of its tasks they do."""
    import diffusers

    tasks = FAMILIES[entry.family].tasks
    names = {
        name
        for task in entry.tasks
        for name in (tasks[task].pipeline, tasks[task].controlled)
        if name
    }
    return frozenset(
        parameter
        for name in names
        for parameter in inspect.signature(getattr(diffusers, name).__init__).parameters
        if parameter != "self"
    )


def _of_model(entry: ModelEntry, stored: Stored) -> Iterator[tuple[str, Needs]]:
    # What another repository gives need not come from this one.
    names = taken(entry) - entry.components.keys()
    yield entry.repo, Needs(components={name: _dtype(entry, name, stored) for name in names})
    for name, repo in entry.components.items():
        yield repo, Needs(folders={ROOT: _dtype(entry, name, stored)})


def _of_adapter(adapter: AdapterEntry, dtype: str | None) -> Needs:
    """What an adapter's own loader reads (pipelines/adapters.py and its neighbours)."""
    companion = {adapter.options["lora"]: None} if "lora" in adapter.options else {}
    if adapter.kind is AdapterKind.CONTROLNET:
        return Needs(folders={ROOT: dtype})
    if adapter.kind is AdapterKind.IP_ADAPTER:
        folder = adapter.options.get("image_encoder", "image_encoder")
        return Needs(folders={folder: dtype}, files=_named(adapter, None), lora=not adapter.file)
    if adapter.kind is AdapterKind.MOTION_MODULE:
        folders = {} if adapter.file else {ROOT: dtype}
        return Needs(folders=folders, files=_named(adapter, dtype) | companion)
    # LoRAs are small, and put on in whatever dtype they have.
    return Needs(files=_named(adapter, None), lora=not adapter.file)


def _named(adapter: AdapterEntry, dtype: str | None) -> dict[str, str | None]:
    return {adapter.file: dtype} if adapter.file else {}


def _of_tool(tool: ToolEntry, stored: Stored) -> Needs:
    if tool.kind is ToolKind.FRAME_INTERPOLATION:
        return Needs(rife=True)
    return Needs(folders={ROOT: tool.dtype if stored == "served" else None})


def _dtype(entry: ModelEntry, component: str, stored: Stored) -> str | None:
    return entry.dtypes.get(component, entry.dtype) if stored == "served" else None


def _dtype_beside(adapter: AdapterEntry, chosen: Manifest, stored: Stored) -> str | None:
    """The dtype of the network that it is put on; the published one where those differ."""
    found = {_dtype(entry, "unet", stored) for entry in chosen.models if entry.id in adapter.models}
    return found.pop() if len(found) == 1 else None


def _both(one: Mapping[str, str | None], other: Mapping[str, str | None]) -> dict[str, str | None]:
    """All of both; what they want in different dtypes stays as it was published."""
    return {
        name: one.get(name, other.get(name))
        if one.get(name, other.get(name)) == other.get(name, one.get(name))
        else None
        for name in {**one, **other}
    }
