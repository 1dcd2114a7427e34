"""Adapters at tiny size: for AnimateDiff one of each kind, and a LoRA for any model."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from src.manifest import AdapterEntry, AdapterKind, ModelEntry
from src.pipelines.weights import LORA_FILE

from . import animatediff, clip
from .shelf import Part, Savable

#: Width of a LoRA's bottleneck.
RANK = 4
#: Layers that LoRAs are made for in networks of diffusers and in CLIP's text encoder.
LAYERS = re.compile(r"(.+\.(?:to_q|to_k|to_v|to_out\.0|q_proj|v_proj))\.weight")
#: Tokens that an IP-Adapter gives for an image.
IMAGE_TOKENS = 4

Weights = dict[str, Tensor]


class Bare:
    """Weights alone, in files of the names that are given, beside something that saves itself."""

    def __init__(self, files: dict[str, Weights], beside: dict[str, Savable] | None = None) -> None:
        """`beside` maps folders ("" for the repository's own) to what is saved there."""
        self._files = files
        self._beside = beside or {}

    def save_pretrained(self, save_directory: Path, *, safe_serialization: bool) -> None:
        """Write everything."""
        save_directory.mkdir(parents=True)
        for folder, part in self._beside.items():
            part.save_pretrained(save_directory / folder, safe_serialization=safe_serialization)
        for name, weights in self._files.items():
            path = save_directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            save_file({key: value.contiguous() for key, value in weights.items()}, path)


def part_of(entry: AdapterEntry, model: ModelEntry, folder: Path) -> Part:
    """The content of an adapter's repository, for a model whose tiny weights lie in `folder`."""
    if entry.kind is AdapterKind.LORA:
        return lora_part(model, folder, file=entry.file or LORA_FILE)
    return lambda: KINDS[entry.kind](entry)


def lora_part(model: ModelEntry, folder: Path, *, file: str = LORA_FILE) -> Part:
    """A LoRA for a model's denoiser, and for its text encoder where diffusers loads that too."""
    return lambda: Bare({file: lora(dict(_layers(folder / model.repo)))})


def lora(shapes: dict[str, tuple[int, ...]]) -> Weights:
    """Random weights for layers of these names and shapes (out, in), loud enough to be seen."""
    weights = {}
    for name, (out_width, in_width) in shapes.items():
        weights[f"{name}.lora_A.weight"] = torch.randn(RANK, in_width) / in_width**0.5
        weights[f"{name}.lora_B.weight"] = torch.randn(out_width, RANK) / RANK**0.5
    return weights


def _layers(repo: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every layer for a LoRA by diffusers' name for it, from the headers of a model's files."""
    networks = json.loads((repo / "model_index.json").read_text("utf-8"))
    text = ("text_encoder",) if "unet" in networks else ()
    for component in ("unet", "transformer", *text):
        for file in sorted((repo / component).glob("*.safetensors")):
            with safe_open(file, "pt") as weights:
                for key in sorted(weights.keys()):
                    shape = weights.get_slice(key).get_shape()
                    layer = LAYERS.fullmatch(key)
                    if layer and len(shape) == 2:
                        yield f"{component}.{layer[1]}", tuple(shape)


def _of_motion(_entry: AdapterEntry) -> Savable:
    """A motion LoRA: layers as a motion module has them."""
    network = animatediff.motion_adapter()
    return Bare({"diffusion_pytorch_model.safetensors": lora(_attention(network))})


def _of_domain(_entry: AdapterEntry) -> Savable:
    """A LoRA on the layers of the checkpoint itself."""
    return Bare({"diffusion_pytorch_model.safetensors": lora(_attention(_network()))})


def _attention(network: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    layers = ((LAYERS.fullmatch(name), weight) for name, weight in network.named_parameters())
    return {f"unet.{layer[1]}": tuple(weight.shape) for layer, weight in layers if layer}


def _motion_module(entry: AdapterEntry) -> Savable:
    """Motion layers, and the LoRA that belongs to them; v3 has none in the middle block."""
    adapter = animatediff.motion_adapter(use_motion_mid_block="v3" not in entry.id)
    companion = entry.options.get("lora")
    files = {companion: lora(_attention(_network()))} if companion else {}
    if entry.file:
        return Bare({**files, entry.file: dict(adapter.state_dict())})
    return Bare(files, {"": adapter})


def _ip_adapter(entry: AdapterEntry) -> Savable:
    """Projections of an image, for each layer that reads the prompt."""
    weights = {
        "image_proj.proj.weight": torch.randn(IMAGE_TOKENS * clip.WIDTH, clip.WIDTH),
        "image_proj.proj.bias": torch.zeros(IMAGE_TOKENS * clip.WIDTH),
        "image_proj.norm.weight": torch.ones(clip.WIDTH),
        "image_proj.norm.bias": torch.zeros(clip.WIDTH),
    }
    # Numbered as in the original code, which counts every attention layer.
    modules = dict(_network().named_modules())
    for number, name in enumerate(_network().attn_processors):
        if "attn2" in name:  # it reads the prompt
            width = modules[name.removesuffix(".processor")].to_k.out_features
            for key in ("to_k_ip", "to_v_ip"):
                projection = torch.randn(width, clip.WIDTH) / clip.WIDTH**0.5
                weights[f"ip_adapter.{number}.{key}.weight"] = projection
    folder = entry.options.get("image_encoder", "image_encoder")
    return Bare({entry.file or "": weights}, {folder: clip.image_encoder()})


def _controlnet(_entry: AdapterEntry) -> Savable:
    """A ControlNet whose last layers are random: fresh ones are zero, and do nothing."""
    network = ControlNetModel(
        block_out_channels=animatediff.WIDTHS,
        layers_per_block=1,
        norm_num_groups=animatediff.GROUPS,
        attention_head_dim=1,
        cross_attention_dim=clip.WIDTH,
        conditioning_embedding_out_channels=(4, 4, 8, 8),
    ).eval()
    for parameter in network.parameters():
        if not parameter.any():
            parameter.copy_(torch.randn_like(parameter) * 0.3)
    made: Savable = network
    return made


KINDS: dict[AdapterKind, Callable[[AdapterEntry], Savable]] = {
    AdapterKind.MOTION_LORA: _of_motion,
    AdapterKind.DOMAIN_LORA: _of_domain,
    AdapterKind.MOTION_MODULE: _motion_module,
    AdapterKind.IP_ADAPTER: _ip_adapter,
    AdapterKind.CONTROLNET: _controlnet,
}


def _network() -> UNet2DConditionModel:
    with torch.device("meta"):  # for the names and shapes
        return animatediff.bare_unet()
