"""Another motion module in AnimateDiff's network for one call, with the scheduler that it needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

from .adapters import Adapter
from .family import Pipeline
from .misfit import blamed_on

#: What the manifest calls a scheduler -> diffusers' class and what is other than in the model's.
#: After diffusers' guide to AnimateDiff; Lightning's after its own page.
SCHEDULERS: dict[str, tuple[str, dict[str, Any]]] = {
    "lcm": ("LCMScheduler", {"beta_schedule": "linear"}),
    "euler": (
        "EulerDiscreteScheduler",
        {"beta_schedule": "linear", "timestep_spacing": "trailing"},
    ),
}


@contextmanager
def moved_by(pipeline: Pipeline, module: Adapter | None) -> Iterator[None]:
    """Within, the network has this motion module's layers in the place of its own.

    Its own are set aside, not written over, so that they come back as they were. Raises
    ModelNotLoaded for weights that cannot be read or do not fit.
    """
    if module is None:
        yield
        return
    layers = _layers(pipeline, module)
    scheduler = _scheduler(pipeline, module)
    network = pipeline.unet
    own, kept = [block.motion_modules for block in _blocks(network)], pipeline.scheduler
    try:
        _install(network, layers)
        pipeline.scheduler = scheduler
        yield
    finally:
        _install(network, own)
        pipeline.scheduler = kept


def _blocks(network: Any) -> list[Any]:
    """Every block of the network that has motion layers, in the order of `_layers`."""
    middle = [network.mid_block] if hasattr(network.mid_block, "motion_modules") else []
    return [*network.down_blocks, *network.up_blocks, *middle]


def _install(network: Any, layers: list[Any]) -> None:
    from diffusers.hooks.group_offloading import _maybe_remove_and_reapply_group_offloading

    for block, own in zip(_blocks(network), layers, strict=True):
        block.motion_modules = own
    _maybe_remove_and_reapply_group_offloading(network)  # its hooks know the old weights


def _layers(pipeline: Pipeline, module: Adapter) -> list[Any]:
    network = pipeline.unet
    with blamed_on(module):
        adapter = _read(pipeline, module).to(network.device, network.dtype).eval()
        parts = [*adapter.down_blocks, *adapter.up_blocks]
        layers = [part.motion_modules for part in parts]
        if hasattr(network.mid_block, "motion_modules"):
            middle = adapter.mid_block
            layers.append(middle.motion_modules if middle else _idle(network.mid_block))
        _check(_blocks(network), layers)
    return layers


def _read(pipeline: Pipeline, module: Adapter) -> Any:
    from diffusers import MotionAdapter
    from safetensors.torch import load_file

    if module.entry.file is None:
        return MotionAdapter.from_pretrained(
            module.folder, dtype=pipeline.unet.dtype, use_safetensors=True, local_files_only=True
        )
    # Bare weights, as Lightning's: of the structure of the model's own.
    adapter = MotionAdapter.from_config(pipeline.motion_adapter.config)
    adapter.load_state_dict(load_file(module.file))
    return adapter


def _idle(block: Any) -> Any:
    """Layers for the middle block that do nothing: AnimateDiff v3 has none there.

    The last projection is what such a layer adds to its input.
    """
    import torch

    layers = deepcopy(block.motion_modules)
    with torch.no_grad():
        for layer in layers:
            for parameter in layer.proj_out.parameters():
                parameter.zero_()
    return layers


def _check(blocks: list[Any], layers: list[Any]) -> None:
    for block, ours in zip(blocks, layers, strict=True):
        widths = [
            [layer.proj_in.weight.shape for layer in side] for side in (block.motion_modules, ours)
        ]
        if widths[0] != widths[1]:
            raise ValueError(f"motion layers of {widths[1]} where the model has {widths[0]}")


def _scheduler(pipeline: Pipeline, module: Adapter) -> Any:
    import diffusers

    name = module.entry.options.get("scheduler")
    if name is None:
        return pipeline.scheduler
    if name not in SCHEDULERS:
        known = ", ".join(SCHEDULERS)
        raise module.unusable(f"options.scheduler must be one of {known}, got {name!r}")
    kind, changes = SCHEDULERS[name]
    return getattr(diffusers, kind).from_config(pipeline.scheduler.config, **changes)
