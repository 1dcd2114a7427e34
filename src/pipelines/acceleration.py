"""Acceleration as the operator sets it for a model: what goes together, and how it is put on.

Nothing is on where nothing is set. What cannot work is refused at start, with the reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import diffusers
import torch

from ..manifest import Acceleration, ModelEntry
from . import caches, compiler
from .family import Family, Pipeline
from .fitting import DENOISERS, Fitting
from .weights import ModelsDir, folder

#: Attention backends that compute what `native` does, in another order.
EXACT_ATTENTION = ("native", "_native_cudnn", "_native_efficient", "_native_flash", "_native_math")
#: Those that the CPU has.
CPU_ATTENTION = ("native", "_native_math", "_native_flash", "flex")

#: What torch compiles with; a test takes "eager", which only traces.
COMPILER = "inductor"
#: As diffusers runs it.
NOTHING = Acceleration()


def check(
    entry: ModelEntry,
    family: Family,
    *,
    models_dir: ModelsDir,
    device: torch.device,
    fitting: Fitting,
    takes_loras: bool,
) -> None:
    """Hold a model's settings against what it is and what it runs on.

    `fitting` is how it would lie in the device's whole memory; `takes_loras` is whether a request
    may put some on it. Raises ValueError with every reason.
    """
    settings = entry.acceleration
    pipelines = caches.classes_of({task: family.tasks[task].pipeline for task in entry.tasks})
    reasons = [
        *refusals(settings, fitting=fitting, device=device, takes_loras=takes_loras),
        *misfits(settings, unweighted(models_dir, entry), pipelines),
        *_compiler_refusals(settings, device),
    ]
    if reasons:
        raise ValueError(f"manifest, models.{entry.id}.acceleration: {'; '.join(reasons)}")


def refusals(
    settings: Acceleration, *, fitting: Fitting, device: torch.device, takes_loras: bool
) -> Iterator[str]:
    """Why settings do not go with each other, or with where the model runs."""
    if settings.compile and fitting.offload == "group":
        yield "compile: the blocks that it compiles would move to the device and back at each step"
    if settings.compile and settings.layerwise_casting:
        yield "compile: layerwise_casting changes each layer's weights around each call"
    if settings.compile and takes_loras:
        yield "compile: each request's LoRAs would have the blocks compiled anew"
    if settings.compile and caches.is_within_blocks(settings):
        yield f"compile: cache {settings.cache} sits within the blocks that it compiles"
    if settings.layerwise_casting and takes_loras:
        yield "layerwise_casting: LoRAs cannot be put on weights kept in eight bits"
    if settings.cache == "sea" and fitting.offload == "model":
        yield "cache sea: its hook on the whole denoiser is lost when that moves to the CPU"
    yield from _attention_refusals(settings.attention, device)


def _compiler_refusals(settings: Acceleration, device: torch.device) -> Iterator[str]:
    if settings.compile and COMPILER == "inductor":
        lacking = compiler.lacking(device)
        if lacking:
            yield f"compile: {lacking}"


def _attention_refusals(attention: str | None, device: torch.device) -> Iterator[str]:
    from diffusers.models import attention_dispatch as dispatch

    if attention is None:
        return
    known = {backend.value for backend in dispatch.AttentionBackendName}
    if attention not in known:
        yield f"attention must be one of {', '.join(sorted(known))}, got {attention!r}"
    elif attention.endswith("_hub"):
        yield f"attention {attention}: it fetches its code when it runs"
    elif device.type == "cpu" and attention not in CPU_ATTENTION:
        yield f"attention {attention}: not on the CPU"
    else:
        try:
            dispatch._check_attention_backend_requirements(dispatch.AttentionBackendName(attention))
        except RuntimeError as error:
            yield f"attention {attention}: {error}"


def misfits(
    settings: Acceleration, denoisers: Mapping[str, Any], pipelines: Mapping[str, Any]
) -> Iterator[str]:
    """Why settings do not go with a model's networks and pipelines; as `caches.misfits`."""
    for name, denoiser in denoisers.items():
        of = f"{name} ({type(denoiser).__name__})"
        # AnimateDiff's UNet names its blocks, but is not the one that runs: its pipeline makes
        # another of it, which names none.
        if settings.compile and (name == "unet" or not getattr(denoiser, "_repeated_blocks", None)):
            yield f"compile: {of} names no blocks to be compiled by themselves"
        if settings.attention and not list(_dispatched(denoiser)):
            yield f"attention: {of} does not go by diffusers' backends"
    for reason in caches.misfits(settings, denoisers, pipelines):
        yield f"cache {settings.cache}: {reason}"


def apply(pipeline: Pipeline, settings: Acceleration) -> None:
    """Put the settings on a loaded pipeline's denoisers, before they are placed.

    Before, since hooks that move weights must go around those of caches: a block that a cache
    skips is still where the next one expects it.
    """
    for denoiser in denoisers(pipeline).values():
        if settings.compile:
            _compile_blocks(denoiser)
        if settings.layerwise_casting:
            denoiser.enable_layerwise_casting(getattr(torch, settings.layerwise_casting))
        if settings.attention:
            _set_attention(denoiser, settings.attention)
        if settings.cache:
            denoiser.enable_cache(caches.config_of(settings))


def prepare(pipeline: Pipeline, settings: Acceleration, *, steps: int) -> None:
    """Say what a call needs to be known by what was put on; right before the call."""
    if settings.cache:
        caches.prepare(pipeline, settings, denoisers(pipeline), steps)


def denoisers(pipeline: Pipeline) -> dict[str, Any]:
    """The networks that run at each step, by diffusers' names; one or two."""
    parts = {name: getattr(pipeline, name, None) for name in DENOISERS}
    return {name: part for name, part in parts.items() if part is not None}


def unweighted(models_dir: ModelsDir, entry: ModelEntry) -> dict[str, Any]:
    """The denoisers as their configurations say, without weights."""
    repos = {name: folder(models_dir, entry.repo) / name for name in DENOISERS}
    repos |= {
        name: folder(models_dir, repo) for name, repo in entry.components.items() if name in repos
    }
    files = {name: path / "config.json" for name, path in repos.items()}
    return {name: _unweighted(file) for name, file in files.items() if file.is_file()}


def _unweighted(file: Path) -> Any:
    config = json.loads(file.read_text("utf-8"))
    with torch.device("meta"):
        return getattr(diffusers, config["_class_name"]).from_config(config)


def _compile_blocks(denoiser: Any) -> None:
    """As compile_repeated_blocks does, but within what hooks are put around a block later.

    That compiles the hooks as well: a cache's differ from block to block, so that torch compiles
    each anew and after eight of them gives up in silence.
    """
    for module in denoiser.modules():
        if type(module).__name__ in denoiser._repeated_blocks:
            module.forward = torch.compile(module.forward, backend=COMPILER)


def _dispatched(denoiser: Any) -> Iterator[Any]:
    """What of a denoiser asks diffusers which attention to use."""
    for module in denoiser.modules():
        processor = getattr(module, "processor", None)
        if hasattr(processor, "_attention_backend"):
            yield processor


def _set_attention(denoiser: Any, name: str) -> None:
    """As set_attention_backend does, but for this denoiser: that changes other models', too."""
    from diffusers.models.attention_dispatch import AttentionBackendName

    for processor in _dispatched(denoiser):
        processor._attention_backend = AttentionBackendName(name)
