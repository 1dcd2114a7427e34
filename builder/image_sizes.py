"""How large the images of docker-bake.hcl are, computed from the manifest and the networks' shapes.

Weights are counted on torch's meta device, at published size and in the dtype that they are served
in, each repository once. What that leaves out is small: tokenizers and configurations.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from src.manifest import AdapterEntry, AdapterKind, ToolKind, load_manifest

from .fetch_models import choose

BAKE_FILE = Path(__file__).parent.parent / "docker-bake.hcl"

#: Base image and libraries, unpacked: measured in the image that `make image-test` builds, but for
#: torch, Triton and NVIDIA's libraries: those are as long as their wheels' lists of files say
#: (torch 2.13.0 for CUDA 13.0).
LIBRARIES_GB = 5.5
#: The same as it travels: those wheels, and the rest packed by gzip.
LIBRARIES_COMPRESSED_GB = 3.0

#: Numbers in what no family's `published` makes, as their configurations give them.
CONTROLNET = 361_279_120
IP_ADAPTER_AND_ENCODER = 22_000_000 + 632_076_800
TOOLS = {ToolKind.PROMPT_ENHANCEMENT: 494_032_768, ToolKind.FRAME_INTERPOLATION: 4_866_052}
#: A LoRA on motion layers, in bytes: as remembered, not verified.
LORA_BYTES = 77_000_000


def targets() -> dict[str, list[str]]:
    """The ids of each image's models, by the bake file's target."""
    text = BAKE_FILE.read_text("utf-8")
    blocks = re.findall(r'^target "(\w+)" \{\n(.*?)^\}', text, re.DOTALL | re.MULTILINE)
    models = {name: re.search(r'^ +MODELS += "(.*)"$', body, re.M) for name, body in blocks}
    return {
        name: [model for model in match.group(1).split(",") if model]
        for name, match in models.items()
        if match
    }


def weights_bytes(models: Iterable[str]) -> int:
    """Bytes of the weights that a bake of these models stores; raises UnknownModel."""
    chosen = choose(load_manifest(), models)
    sizes: dict[tuple[str, str], int] = {}
    for entry in chosen.models:
        sizes |= {
            (entry.components.get(name, entry.repo), name): size
            for name, size in _components(entry.id).items()
        }
    for adapter in chosen.adapters:
        if adapter.repo:
            sizes.setdefault((adapter.repo, "motion_adapter"), _adapter_bytes(adapter, sizes))
    tools: int = sum(
        TOOLS[tool.kind] * getattr(torch, tool.dtype).itemsize for tool in chosen.tools
    )
    return sum(sizes.values()) + tools


@cache
def _components(model: str) -> dict[str, int]:
    """Bytes by component; what is in two of a pipeline's networks counts once."""
    entry = load_manifest().find(model)
    module = import_module(f"{__package__}.tiny_models.{entry.family}")
    with torch.device("meta"), torch.no_grad():
        parts: dict[str, Any] = module.published(entry).components
    counts = {
        name: sum(weight.numel() for weight in part.parameters())
        for name, part in parts.items()
        if isinstance(part, torch.nn.Module)
    }
    if "motion_adapter" in counts:  # its pipeline has put them into the UNet, too
        counts["unet"] -= counts["motion_adapter"]
    return {
        name: count * getattr(torch, entry.dtypes.get(name, entry.dtype)).itemsize
        for name, count in counts.items()
    }


def _adapter_bytes(adapter: AdapterEntry, sizes: dict[tuple[str, str], int]) -> int:
    half = torch.float16.itemsize
    if adapter.kind is AdapterKind.MOTION_MODULE:
        return next((size for (_, name), size in sizes.items() if name == "motion_adapter"), 0)
    if adapter.kind is AdapterKind.CONTROLNET:
        return CONTROLNET * half
    if adapter.kind is AdapterKind.IP_ADAPTER:
        return IP_ADAPTER_AND_ENCODER * half
    return LORA_BYTES
