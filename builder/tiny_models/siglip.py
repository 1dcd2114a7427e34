"""SigLIP at tiny size: the image encoder of HunyuanVideo 1.5."""

from __future__ import annotations

from typing import Any

from transformers import SiglipImageProcessor, SiglipVisionConfig, SiglipVisionModel

#: Width of the image's encoding.
WIDTH = 16
#: Pixels of a side that the published one reads, in patches of 14.
SIZE = 384


def image_encoder(**published: Any) -> SiglipVisionModel:
    """Two layers in place of twenty-seven, over as many patches."""
    config = {
        "hidden_size": WIDTH,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": SIZE,
        "patch_size": 14,
    }
    return SiglipVisionModel(SiglipVisionConfig(**(config | published))).eval()


def image_processor() -> SiglipImageProcessor:
    """The published size and colour statistics."""
    return SiglipImageProcessor(size={"height": SIZE, "width": SIZE})
