"""Wan's full size: the same classes, with as many weights as the published ones have."""

from pathlib import Path

import pytest
import torch
from diffusers import DiffusionPipeline

from builder.tiny_models import wan
from src.manifest import load_manifest

pytestmark = pytest.mark.real

#: Billions of weights: of each denoiser, and of the VAE. By the files of the repositories.
PUBLISHED = {
    "wan2.1": ([1.42], 0.127),
    "wan2.1-t2v-14b": ([14.3], 0.127),
    "wan2.1-i2v-480p": ([16.4], 0.127),
    "wan2.1-i2v-720p": ([16.4], 0.127),
    "wan2.1-flf2v": ([16.4], 0.127),
    "wan2.2": ([5.0], 0.705),
    "wan2.2-t2v-a14b": ([14.3, 14.3], 0.127),
    "wan2.2-i2v-a14b": ([14.3, 14.3], 0.127),
}
#: What sizes, frames and tasks follow from, by component.
STRUCTURE = {
    "transformer": ("patch_size", "in_channels", "out_channels", "qk_norm", "cross_attn_norm"),
    "vae": (
        *("dim_mult", "temperal_downsample", "scale_factor_temporal", "scale_factor_spatial"),
        *("z_dim", "is_residual", "patch_size", "in_channels", "out_channels"),
    ),
    "scheduler": ("flow_shift", "prediction_type", "use_flow_sigmas"),
}
#: The encoder of umt5-xxl.
TEXT_ENCODER = 5.68


def billions(module: torch.nn.Module) -> float:
    return sum(parameter.numel() for parameter in module.parameters()) / 1e9


def test_every_model_of_the_manifest_is_told() -> None:
    assert PUBLISHED.keys() == {entry.id for entry in load_manifest() if entry.family == "wan"}


@pytest.mark.parametrize(("model", "expected"), PUBLISHED.items())
def test_the_published_size_has_as_many_weights_as_the_published_model(
    model: str, expected: tuple[list[float], float]
) -> None:
    entry = load_manifest().find(model)
    with torch.device("meta"):
        pipeline = wan.published(entry)
    denoisers = [pipeline.transformer, pipeline.transformer_2]
    sizes = [billions(denoiser) for denoiser in denoisers if denoiser is not None]

    assert sizes == pytest.approx(expected[0], rel=0.03)
    assert billions(pipeline.vae) == pytest.approx(expected[1], rel=0.03)
    assert billions(pipeline.text_encoder) == pytest.approx(TEXT_ENCODER, rel=0.03)
    assert (getattr(pipeline, "image_encoder", None) is not None) == ("16.4" in str(expected[0]))


@pytest.mark.parametrize("model", PUBLISHED)
def test_the_tiny_model_differs_in_width_and_depth_alone(model: str, tiny_models: Path) -> None:
    entry = load_manifest().find(model)
    tiny = DiffusionPipeline.from_pretrained(tiny_models / entry.repo, use_safetensors=True)
    with torch.device("meta"):
        pipeline = wan.published(entry)

    assert type(tiny) is type(pipeline)
    for name in ("boundary_ratio", "expand_timesteps"):
        assert tiny.config[name] == pipeline.config[name]
    for component, figures in STRUCTURE.items():
        for figure in figures:
            one, other = (getattr(each, component).config[figure] for each in (tiny, pipeline))
            # What was a tuple comes back from JSON as a list.
            assert (list(one) if isinstance(one, tuple) else one) == (
                list(other) if isinstance(other, tuple) else other
            ), figure
    parts = {name for name, part in pipeline.components.items() if part is not None}
    assert {name for name, part in tiny.components.items() if part is not None} == parts
    for name in ("image_dim", "added_kv_proj_dim", "pos_embed_seq_len"):
        configs = [each.transformer.config[name] for each in (tiny, pipeline)]
        assert (configs[0] is None) == (configs[1] is None), name
