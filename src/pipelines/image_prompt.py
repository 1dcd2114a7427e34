"""An IP-Adapter on a pipeline for one call: an image beside the prompt."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .adapters import Adapter
from .family import Pipeline
from .misfit import blamed_on


@contextmanager
def led_by(pipeline: Pipeline, adapter: Adapter | None) -> Iterator[None]:
    """Within, the pipeline takes an `ip_adapter_image`.

    diffusers' own way of taking it off drops what was there before, such as the feature
    extractor. Raises ModelNotLoaded for weights that cannot be read or do not fit.
    """
    if adapter is None:
        yield
        return
    network = pipeline.unet
    processors, projection = dict(network.attn_processors), network.encoder_hid_proj
    kind = network.config.encoder_hid_dim_type
    parts = pipeline.image_encoder, pipeline.feature_extractor
    try:
        _put_on(pipeline, adapter)
        yield
    finally:
        network.set_attn_processor(processors)
        network.encoder_hid_proj = projection
        network.config.encoder_hid_dim_type = kind
        pipeline.register_modules(image_encoder=parts[0], feature_extractor=parts[1])
        _rehooked(network)


def _put_on(pipeline: Pipeline, adapter: Adapter) -> None:
    with blamed_on(adapter):
        # Ours, since diffusers would take a pickle where there is no safetensors file.
        pipeline.register_modules(image_encoder=_image_encoder(pipeline, adapter))
        pipeline.load_ip_adapter(
            str(adapter.file.parent),
            subfolder="",
            weight_name=adapter.file.name,
            image_encoder_folder=None,
            local_files_only=True,
        )
    pipeline.set_ip_adapter_scale(adapter.scale)
    _rehooked(pipeline.unet)


def _rehooked(network: Any) -> None:
    """Have the hooks that move a network's blocks to the device know its weights of now."""
    from diffusers.hooks.group_offloading import _maybe_remove_and_reapply_group_offloading

    _maybe_remove_and_reapply_group_offloading(network)


def _image_encoder(pipeline: Pipeline, adapter: Adapter) -> Any:
    from transformers import CLIPVisionModelWithProjection

    encoder = CLIPVisionModelWithProjection.from_pretrained(
        adapter.folder / adapter.entry.options.get("image_encoder", "image_encoder"),
        dtype=pipeline.unet.dtype,
        use_safetensors=True,
        local_files_only=True,
    )
    # Where the pipeline computes: with offloading its networks lie elsewhere for now.
    return encoder.to(pipeline._execution_device).eval()
