"""How a model is fitted into the memory that is free: what stays on the GPU, and in which dtype.

The rules are pure and stand in a table of tests; `apply` puts one on a pipeline.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch

from ..manifest import ModelEntry
from .family import Pipeline

#: Bytes that a clip takes beside the weights, for each pixel of each frame. Computed, not
#: measured: a causal VAE's widest layers hold some 100 channels of 2 bytes for the few frames
#: that it decodes at a time, and a transformer's widest layer comes to less.
WORKING_BYTES = 256
LEAST_WORKING_MEMORY = 2 * 10**9
#: Components that are moved block by block when not even the largest fits at once. The rest is
#: small, or is entered by other ways than `forward`, as a VAE is by `decode`.
STREAMED = ("transformer", "unet", "text_encoder")
#: What denoises, by the names that diffusers' pipelines give it.
DENOISERS = ("transformer", "transformer_2", "unet")


@dataclass(frozen=True, kw_only=True)
class Fitting:
    """What of a model is on the GPU, and how its VAE goes about a clip."""

    #: none: all of it, always. model: one component at a time. group: one block at a time.
    offload: Literal["none", "model", "group"] = "none"
    #: Decode frames one by one where the VAE would take several as a batch; the same numbers.
    vae_slicing: bool = False
    #: Decode tiles that overlap; their seams can be seen in the numbers, if hardly in the frames.
    vae_tiling: bool = False

    def __str__(self) -> str:
        """As the log has it."""
        words = {
            "none": "all of it on the device",
            "model": "one component at a time on the device",
            "group": "one block at a time on the device",
        }
        slicing = ", VAE slicing" if self.vae_slicing else ""
        return words[self.offload] + slicing + (", VAE tiling" if self.vae_tiling else "")


#: As a model is on the CPU, whose memory is all there is.
RESIDENT = Fitting()


def working_memory(entry: ModelEntry) -> int:
    """Bytes that one clip at the model's defaults takes beside the weights."""
    if entry.working_memory_gb:
        return int(entry.working_memory_gb * 10**9)
    width, height, num_frames = entry.default_parameters().shape
    return max(LEAST_WORKING_MEMORY, width * height * num_frames * WORKING_BYTES)


def choose(weights: Mapping[str, int], *, free: int, working: int) -> Fitting:
    """The fastest way that leaves `working` bytes of the `free` ones to the clip.

    `weights` are bytes by component. The VAE tiles when the clip's share is not left even while
    it decodes; then the clip is made with seams rather than not at all.
    """
    room = free - working
    if sum(weights.values()) <= room:
        return RESIDENT
    if max(weights.values(), default=0) <= room:
        return Fitting(offload="model", vae_slicing=True)
    resident = sum(size for name, size in weights.items() if not name.startswith(STREAMED))
    return Fitting(offload="group", vae_slicing=True, vae_tiling=resident > room)


def dtypes(entry: ModelEntry, *, capability: tuple[int, int] | None) -> dict[str, str]:
    """The dtype of each component, and under "default" that of the others.

    The CPU, which has no compute capability, takes float32. A GPU below 8.0 has no arithmetic in
    bfloat16 and takes float32 in its place, at twice the memory: in float16 what was trained in
    bfloat16 overflows (T5 does). Who knows better sets the model's dtype in a manifest of theirs.
    """
    if capability is None:
        return {"default": "float32"}
    named = {"default": entry.dtype, **entry.dtypes}
    if capability >= (8, 0):
        return dict(named)
    return {name: "float32" if value == "bfloat16" else value for name, value in named.items()}


def apply(pipeline: Pipeline, fitting: Fitting, device: torch.device) -> None:
    """Place a pipeline's components, by hooks where not all of them stay on the device.

    To be called for each pipeline on shared components: each has its own order of moving them.
    """
    vae: Any = getattr(pipeline, "vae", None)
    if fitting.vae_slicing and hasattr(vae, "use_slicing"):
        vae.enable_slicing()
    if fitting.vae_tiling and hasattr(vae, "use_tiling"):
        vae.enable_tiling()
    if fitting.offload == "none":
        pipeline.to(device)
    elif fitting.offload == "model":
        pipeline.enable_model_cpu_offload(device=device)
    else:
        for name, part in _modules(pipeline).items():
            _stream(name, part, device)


def remove(pipeline: Pipeline) -> None:
    """Take the hooks off again; they hold on to the weights, and to copies of them."""
    from diffusers.hooks import HookRegistry, group_offloading

    pipeline.remove_all_hooks()
    for part in _modules(pipeline).values():
        if group_offloading._is_group_offload_enabled(part):
            registry = HookRegistry.check_if_exists_or_initialize(part)
            registry.remove_hook(group_offloading._GROUP_OFFLOADING)
            registry.remove_hook(group_offloading._LAYER_EXECUTION_TRACKER)
            registry.remove_hook(group_offloading._LAZY_PREFETCH_GROUP_OFFLOADING)


def _stream(name: str, part: Any, device: torch.device) -> None:
    from diffusers.hooks import apply_group_offloading, group_offloading

    if group_offloading._is_group_offload_enabled(part):
        return  # by another pipeline on the same component
    if not name.startswith(STREAMED) or not getattr(part, "_supports_group_offloading", True):
        part.to(device)
    elif name in DENOISERS:
        # Each block is fetched while the one before computes.
        apply_group_offloading(
            part, device, num_blocks_per_group=1, use_stream=device.type == "cuda"
        )
    else:
        # A text encoder runs once a job, and its blocks lie deeper than diffusers looks.
        apply_group_offloading(part, device, offload_type="leaf_level")


def _modules(pipeline: Pipeline) -> dict[str, Any]:
    return {
        name: part
        for name, part in pipeline.components.items()
        if isinstance(part, torch.nn.Module)
    }
